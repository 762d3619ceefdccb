//! What a shape is, told through its colour.
//!
//! Plotters gives a backend nothing but colours, so each role travels as a colour of its own and the backend turns
//! it back into a CSS class. The light theme's colour stays in the SVG for pages whose style sheet is blocked.

use plotters::style::RGBColor;

/// Most stacks that a report tells apart.
pub(crate) const MOST_STACKS: usize = 6;

/// The stacks' colours in the light theme; the style sheet has the same and those of the dark theme.
pub(crate) const STACK_COLOURS: [&str; MOST_STACKS] =
    ["#0067a5", "#b84a00", "#6d3fc0", "#1b7340", "#a8276f", "#6b6000"];

/// The role of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Grid line.
    Grid,
    /// Every other phase.
    Band,
    /// Offered load, filled.
    Load,
    /// Vertical rule at a scaling action.
    Event,
    /// Mark of an alarm.
    Alarm,
    /// Vertical rule at what went wrong.
    Trouble,
    /// Where a difference is none.
    Zero,
    /// A stack's line.
    Line(usize),
    /// A stack's secondary line.
    Thin(usize),
    /// A stack's target or limit.
    Dashed(usize),
    /// A stack's filled area.
    Area(usize),
    /// A stack's single points.
    Dot(usize),
}

impl Ink {
    /// The colour that stands for the role.
    pub(crate) fn key(self) -> RGBColor {
        let (kind, stack) = match self {
            Self::Grid => (1, 0),
            Self::Band => (2, 0),
            Self::Load => (3, 0),
            Self::Event => (4, 0),
            Self::Zero => (9, 0),
            Self::Alarm => (10, 0),
            Self::Trouble => (11, 0),
            Self::Line(stack) => (5, stack),
            Self::Thin(stack) => (6, stack),
            Self::Dashed(stack) => (7, stack),
            Self::Area(stack) => (8, stack),
            Self::Dot(stack) => (12, stack),
        };
        RGBColor(kind, stack as u8, 0)
    }

    /// The role that a colour stands for.
    pub(crate) fn of(key: (u8, u8, u8)) -> Self {
        let stack = usize::from(key.1);
        match key.0 {
            2 => Self::Band,
            3 => Self::Load,
            4 => Self::Event,
            5 => Self::Line(stack),
            6 => Self::Thin(stack),
            7 => Self::Dashed(stack),
            8 => Self::Area(stack),
            9 => Self::Zero,
            10 => Self::Alarm,
            11 => Self::Trouble,
            12 => Self::Dot(stack),
            _ => Self::Grid,
        }
    }

    /// CSS classes.
    pub(crate) fn class(self) -> String {
        match self {
            Self::Grid => "grid".into(),
            Self::Band => "band".into(),
            Self::Load => "load".into(),
            Self::Event => "event".into(),
            Self::Alarm => "alarm".into(),
            Self::Trouble => "trouble".into(),
            Self::Zero => "zero".into(),
            Self::Line(stack) | Self::Area(stack) => stack_class(stack),
            // Not dashed on paper, where that would leave nothing of a point.
            Self::Thin(stack) | Self::Dot(stack) => format!("{} thin", stack_class(stack)),
            Self::Dashed(stack) => format!("{} dash", stack_class(stack)),
        }
    }

    /// The light theme's colour.
    pub(crate) fn light(self) -> &'static str {
        match self {
            Self::Grid => "#e3e7ec",
            Self::Band => "#f4f6f8",
            Self::Load => "#8a93a0",
            Self::Event | Self::Zero => "#5a6472",
            Self::Alarm => "#14181f",
            Self::Trouble => "#b3123f",
            Self::Line(stack)
            | Self::Thin(stack)
            | Self::Dashed(stack)
            | Self::Area(stack)
            | Self::Dot(stack) => STACK_COLOURS[stack % MOST_STACKS],
        }
    }

    /// Stroke width in CSS pixels.
    pub(crate) fn width(self) -> u32 {
        match self {
            Self::Line(_) | Self::Alarm => 2,
            Self::Dot(_) => 6,
            _ => 1,
        }
    }
}

/// The CSS class of a stack, by its position.
pub(crate) fn stack_class(stack: usize) -> String {
    format!("s{}", stack % MOST_STACKS + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_back_to_its_role() {
        let roles = [
            Ink::Grid,
            Ink::Band,
            Ink::Load,
            Ink::Event,
            Ink::Alarm,
            Ink::Trouble,
            Ink::Zero,
            Ink::Line(0),
            Ink::Thin(3),
            Ink::Dashed(5),
            Ink::Area(1),
            Ink::Dot(4),
        ];
        for role in roles {
            let RGBColor(r, g, b) = role.key();
            assert_eq!(Ink::of((r, g, b)), role);
        }
    }
}
