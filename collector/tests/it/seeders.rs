//! Who seeds a run, and whether anybody still does.
#![cfg(target_os = "linux")]

use crate::lab::Folder;
use collector::{claim, seeders_are_gone};
use std::fs;

#[test]
fn seeders_are_gone_when_the_last_has_let_go() {
    let (one, two) = (Folder::new("seeders-one"), Folder::new("seeders-two"));
    let both = [one.0.as_path(), two.0.as_path()];
    assert!(!seeders_are_gone(&both), "nobody has begun");
    let first = claim(&one.0, 0, 2).unwrap();
    drop(claim(&two.0, 1, 2).unwrap());
    assert!(!seeders_are_gone(&both));
    drop(first);
    assert!(seeders_are_gone(&both) && seeders_are_gone(&both));
    assert!(!seeders_are_gone(&both[..1]), "of the other part nothing is known");
    // Copied from another machine, or left from before this one was started again.
    fs::write(two.0.join("seeder-2-of-2"), "4af0-another").unwrap();
    assert!(!seeders_are_gone(&both));
}

#[test]
fn a_part_is_claimed_once_even_after_a_death() {
    let place = Folder::new("seeders-claims");
    drop(claim(&place.0, 0, 2).unwrap());
    let error = |index, of| format!("{:#}", claim(&place.0, index, of).unwrap_err());
    assert!(error(0, 2).contains("another seeder sends part 1/2"), "{}", error(0, 2));
    assert!(error(0, 3).contains("the same number of parts"), "{}", error(0, 3));
    claim(&place.0, 1, 2).unwrap();
}
