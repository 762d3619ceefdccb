//! Texts that are long, deep or nothing but mistakes: refused in good time, on an ordinary stack.

use model::scenario::{Problems, parse};

fn refused(text: &str) -> Problems {
    let mut read_trace = |_: &str| Ok(String::new());
    parse("t.toml", text, &[], None, &mut read_trace).expect_err("not a scenario")
}

#[test]
fn long_texts_of_mistakes() {
    let many = |line: &str| line.repeat(250_000 / line.len());
    for text in [
        many("a\n"),
        many("= \n"),
        many("a=\"\n"),
        many("[a]\n"),
        many("[[a]]\n"),
        many("a.b=1\n"),
        many("\u{1}"),
    ] {
        assert!(refused(&text).all().len() <= 1_200);
    }
    let keys: String = (0..10_000).map(|i| format!("key-{i} = 1\n")).collect();
    let message = refused(&format!("[stacks.ecs]\nplatform = \"ecs\"\n{keys}")).to_string();
    assert!(message.lines().count() == Problems::SHOWN + 1, "{message}");
    assert!(message.contains("\nand "), "{message}");
    let phases = "[[phases]]\nname = \"p\"\n".repeat(10_000);
    assert!(refused(&phases).to_string().contains("phases: has 10000 elements; write at most 100"));
}

#[test]
fn deep_texts() {
    for text in [
        "a = ".to_string() + &"[".repeat(100_000),
        "a.".repeat(100_000) + "a = 1",
        "[".to_string() + &"\"=\".".repeat(50_000) + "a]",
        "a = ".to_string() + &"{ a = ".repeat(30_000),
        "a = { ".to_string() + &"b . ".repeat(50_000),
    ] {
        assert!(!refused(&text).all().is_empty());
    }
}

#[test]
fn a_text_that_is_too_long() {
    let message = refused(&"# long\n".repeat(50_000)).to_string();
    assert_eq!(message, "t.toml: is longer than 256 KB; is it a scenario?");
}
