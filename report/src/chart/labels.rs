//! The words around a plot: ticks, phase names and names at line ends.
//!
//! They are `<text>` elements placed in percent, outside of the stretched canvas, so they keep their size at any
//! width. What would collide is laid out here for two widths: a label that collides on a narrow page gets the class
//! `alt`, which the style sheet hides there; one that collides on a wide page as well is left out.

use super::ink::stack_class;
use super::scale::{Scale, Tick};
use maud::{Markup, html};

/// Plot width of a 320 px page, and the width above which `alt` labels are shown; CSS pixels.
const NARROW: f64 = 200.0;
const WIDE: f64 = 640.0;
/// Mean width of a character of 12 px type.
const CHARACTER: f64 = 6.6;
/// Room right of the plot, CSS pixels.
const RIGHT: f64 = 12.0;
/// Least share of the plot that a phase must take to be named.
const LEAST_BAND: f64 = 0.02;
/// Longest name at a line's end, in characters.
const LONGEST_END: usize = 11;

/// A phase.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    /// Its name.
    pub(crate) name: String,
    /// First second.
    pub(crate) from: f64,
    /// First second after it.
    pub(crate) until: f64,
}

/// A name at the right end of a line.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// The stack, by position.
    pub(crate) stack: usize,
    /// Its name.
    pub(crate) name: String,
    /// The line's last value.
    pub(crate) at: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Room {
    Everywhere,
    WideOnly,
    Nowhere,
}

/// The class of a label that only wide pages have room for.
fn alternative(room: Room) -> Option<&'static str> {
    (room == Room::WideOnly).then_some("alt")
}

fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Where each of the labels fits. `order` lists them by importance; `extent` is a label's reach on a given width.
fn layout(count: usize, order: &[usize], extent: impl Fn(usize, f64) -> (f64, f64)) -> Vec<Room> {
    let mut rooms = vec![Room::Nowhere; count];
    for (width, room) in [(WIDE, Room::WideOnly), (NARROW, Room::Everywhere)] {
        let mut taken: Vec<(f64, f64)> = Vec::new();
        for &index in order {
            if room == Room::Everywhere && rooms[index] == Room::Nowhere {
                continue;
            }
            let (from, to) = extent(index, width);
            if taken.iter().all(|(left, right)| to <= *left || from >= *right) {
                taken.push((from, to));
                rooms[index] = room;
            }
        }
    }
    rooms
}

/// Tick labels below the plot.
pub(crate) fn below(x: &Scale) -> Markup {
    let length = |tick: &Tick| CHARACTER * tick.label.chars().count() as f64;
    // A label that would stick out on a narrow page ends where the page does, however wide the page.
    let anchor = |tick: &Tick| {
        let at = x.position(tick.at);
        let room = (1.0 - at) * NARROW + RIGHT;
        match at {
            at if at < 0.02 => ("start", None),
            at if at > 0.98 => ("end", None),
            _ if length(tick) / 2.0 > room => ("end", Some(room.round())),
            _ => ("middle", None),
        }
    };
    let extent = |i: usize, width: f64| {
        let tick = &x.ticks[i];
        let reach = length(tick) + 8.0;
        let at = x.position(tick.at) * width;
        match anchor(tick) {
            ("start", _) => (at, at + reach),
            ("end", shift) => (at + shift.unwrap_or(0.0) - reach, at + shift.unwrap_or(0.0)),
            _ => (at - reach / 2.0, at + reach / 2.0),
        }
    };
    let rooms =
        if evenly_spaced(x) { thinned(x.ticks.len(), extent) } else { by_rank(x.ticks.len(), extent) };
    html! {
        @for (tick, room) in x.ticks.iter().zip(&rooms) {
            @if *room != Room::Nowhere {
                @let (side, shift) = anchor(tick);
                text class=[alternative(*room)] x=(percent(x.position(tick.at))) y="100%" dx=[shift] dy="20"
                    text-anchor=(side) { (tick.label) }
            }
        }
    }
}

fn evenly_spaced(x: &Scale) -> bool {
    let gaps: Vec<f64> = x.ticks.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    gaps.iter().all(|gap| (gap - gaps[0]).abs() < 1e-6 * gaps[0].abs())
}

/// Keeps every tick, or every second one, and so on, counted from the last one, which carries the unit.
fn thinned(count: usize, extent: impl Fn(usize, f64) -> (f64, f64)) -> Vec<Room> {
    let stride = |width: f64| {
        let fits = |stride: &usize| {
            let kept: Vec<_> = (0..count).rev().step_by(*stride).map(|i| extent(i, width)).collect();
            kept.windows(2).all(|pair| pair[1].1 <= pair[0].0)
        };
        (1..count).find(fits).unwrap_or(count.max(1))
    };
    let (wide, narrow) = (stride(WIDE), stride(NARROW));
    // Whatever narrow pages show, wide ones show as well.
    let wide = if narrow % wide == 0 { wide } else { 1 };
    let room = |i: usize| match count - 1 - i {
        back if back % narrow == 0 => Room::Everywhere,
        back if back % wide == 0 => Room::WideOnly,
        _ => Room::Nowhere,
    };
    (0..count).map(room).collect()
}

/// Keeps the last tick, the first, then whatever fits from left to right.
fn by_rank(count: usize, extent: impl Fn(usize, f64) -> (f64, f64)) -> Vec<Room> {
    let last = count.saturating_sub(1);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&i| (i != last, i != 0, i));
    layout(count, &order, extent)
}

/// The ticks that have a label left of the plot; of those that would touch on paper, 0 stays, then the outer ones.
pub(crate) fn labelled(y: &Scale) -> Vec<&Tick> {
    const GAP: f64 = 0.095;
    let inwards = |i: usize| i.min(y.ticks.len() - 1 - i);
    let mut order: Vec<usize> = (0..y.ticks.len()).collect();
    order.sort_by_key(|&i| (y.ticks[i].at.abs() > 0.0, inwards(i)));
    let extent = |i: usize, _| {
        let at = y.position(y.ticks[i].at);
        (at - GAP / 2.0, at + GAP / 2.0)
    };
    let rooms = layout(y.ticks.len(), &order, extent);
    y.ticks.iter().zip(&rooms).filter(|(_, room)| **room != Room::Nowhere).map(|(tick, _)| tick).collect()
}

/// Tick labels left of the plot.
pub(crate) fn beside(y: &Scale) -> Markup {
    html! {
        @for tick in labelled(y) {
            text x="-8" y=(percent(1.0 - y.position(tick.at))) dy=".32em" text-anchor="end" { (tick.label) }
        }
    }
}

/// Phase names above the plot, the longest phases first.
pub(crate) fn above(x: &Scale, bands: &[Band]) -> Markup {
    let middle = |band: &Band| (x.position(band.from) + x.position(band.until)) / 2.0;
    let visible = |band: &Band| x.position(band.until) - x.position(band.from) >= LEAST_BAND;
    let mut order: Vec<usize> = (0..bands.len()).filter(|i| visible(&bands[*i])).collect();
    order.sort_by(|&i, &j| {
        let length = |band: &Band| band.until - band.from;
        length(&bands[j]).total_cmp(&length(&bands[i]))
    });
    // The last phase named on a phone should be the one that matters, but length is all that is known.
    let rooms = layout(bands.len(), &order, |i, width| {
        let reach = CHARACTER * bands[i].name.chars().count() as f64 + 6.0;
        let at = middle(&bands[i]) * width;
        (at - reach / 2.0, at + reach / 2.0)
    });
    html! {
        @for (band, room) in bands.iter().zip(&rooms) {
            @if *room != Room::Nowhere {
                text class=[alternative(*room)] x=(percent(middle(band))) y="-8" text-anchor="middle" {
                    (band.name)
                }
            }
        }
    }
}

/// Names at line ends, pushed apart so that lines that end together stay readable.
pub(crate) fn ends(y: &Scale, ends: &[End]) -> Markup {
    const GAP: f64 = 0.065;
    let mut placed: Vec<(f64, &End)> = ends.iter().map(|end| (1.0 - y.position(end.at), end)).collect();
    placed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for i in 1..placed.len() {
        placed[i].0 = placed[i].0.max(placed[i - 1].0 + GAP);
    }
    let over = placed.last().map_or(0.0, |last| (last.0 - 1.0).max(0.0));
    html! {
        @for (at, end) in placed {
            text class={ "end " (stack_class(end.stack)) } x="100%" dx="8" y=(percent(at - over)) dy=".32em" {
                (shortened(&end.name))
            }
        }
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST_END {
        return name.into();
    }
    name.chars().take(LONGEST_END - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_collide_are_dropped_or_kept_for_wide_pages() {
        let at = [0.1, 0.2, 0.21, 0.9];
        let rooms = layout(4, &[3, 0, 1, 2], |i, width| (at[i] * width - 20.0, at[i] * width + 20.0));
        assert!(rooms == [Room::Everywhere, Room::WideOnly, Room::Nowhere, Room::Everywhere]);
    }

    #[test]
    fn thinning_is_regular_and_keeps_the_unit() {
        let rooms = thinned(6, |i, width| {
            let at = i as f64 / 5.0 * width;
            (at - 25.0, at + 25.0)
        });
        let (here, wide) = (Room::Everywhere, Room::WideOnly);
        assert!(rooms == [wide, here, wide, here, wide, here]);
    }

    #[test]
    fn labels_beside_the_plot_leave_room_for_one_another() {
        let markup = beside(&Scale::log_ms(1.0, 900.0)).into_string();
        assert_eq!(markup.matches("<text").count(), 7, "{markup}");
        let ticks = [-1.0, 0.0, 1.0, 90.0, 100.0].map(|at| Tick { at, label: format!("{at}") });
        let near = Scale { lo: -100.0, hi: 100.0, log: false, ticks: ticks.into() };
        let markup = beside(&near).into_string();
        assert!(markup.contains(">0<") && markup.contains(">100<"), "{markup}");
        assert_eq!(markup.matches("<text").count(), 2, "{markup}");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(shortened("lambda-arm"), "lambda-arm");
        assert_eq!(shortened("lambda-provisioned"), "lambda-pro…");
    }
}
