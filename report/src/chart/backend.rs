//! A plotters backend that writes SVG paths for a web page.
//!
//! Goals: shapes stretch with the page while strokes stay as thick as they are; classes instead of colours; short
//! paths (relative steps, points that coincide dropped).
//! Non-goals: text. Labels must not stretch, so [`super::labels`] places them as percentages outside of this canvas.

use super::ink::Ink;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};
use std::convert::Infallible;
use std::fmt::Write;

/// Width of the canvas. Plotters rounds to whole units, so there are about four per CSS pixel.
pub(crate) const WIDTH: u32 = 4_000;
/// Height of the canvas.
pub(crate) const HEIGHT: u32 = 1_200;

/// Collects the shapes of one chart as `<path>` elements, for an `<svg>` of [`WIDTH`] x [`HEIGHT`].
pub(crate) struct Paths<'a> {
    out: &'a mut String,
    /// The attributes of the last element: neighbours that look alike become one element.
    last: String,
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl<'a> Paths<'a> {
    /// A backend that appends to `out`.
    pub(crate) fn new(out: &'a mut String) -> Self {
        Self { out, last: String::new() }
    }

    fn stroke(&mut self, style: &impl BackendStyle, data: &str) {
        let ink = Ink::of(style.color().rgb);
        let attributes = format!(
            "class=\"l {}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" vector-effect=\"non-scaling-stroke\"",
            ink.class(),
            ink.light(),
            style.stroke_width(),
        );
        self.path(attributes, data);
    }

    fn fill(&mut self, colour: BackendColor, data: &str) {
        let ink = Ink::of(colour.rgb);
        let opacity =
            if colour.alpha < 1.0 { format!(" opacity=\"{}\"", colour.alpha) } else { String::new() };
        let attributes = format!("class=\"f {}\"{opacity} fill=\"{}\"", ink.class(), ink.light());
        self.path(attributes, &format!("{data}z"));
    }

    fn path(&mut self, attributes: String, data: &str) {
        const END: &str = "\"/>\n";
        if attributes == self.last && self.out.ends_with(END) {
            self.out.truncate(self.out.len() - END.len());
            self.out.push_str(data);
        } else {
            let _ = write!(self.out, "<path {attributes} d=\"{data}");
            self.last = attributes;
        }
        self.out.push_str(END);
    }
}

/// Path data: one absolute move, then relative steps. A minus sign separates numbers as well as a space does.
fn path_data(points: impl IntoIterator<Item = BackendCoord>) -> String {
    let mut data = String::new();
    let mut last: Option<BackendCoord> = None;
    let mut steps = 0;
    for (x, y) in points {
        match last {
            None => {
                let _ = write!(data, "M{x} {y}");
            }
            Some(at) if at == (x, y) => continue,
            Some((from_x, from_y)) => {
                data.push(if steps == 0 { 'l' } else { ' ' });
                if steps > 0 && x < from_x {
                    data.pop();
                }
                let _ = write!(data, "{}", x - from_x);
                if y >= from_y {
                    data.push(' ');
                }
                let _ = write!(data, "{}", y - from_y);
                steps += 1;
            }
        }
        last = Some((x, y));
    }
    if steps == 0 && last.is_some() {
        // A lone point: a stroke without length, which round caps make a dot.
        data.push_str("h0");
    }
    data
}

impl DrawingBackend for Paths<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        // Plotters maps the ends of an axis to the first and the last unit.
        (WIDTH + 1, HEIGHT + 1)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, colour: BackendColor) -> Drawn {
        self.stroke(&colour, &path_data([at]));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.stroke(style, &path_data([from, to]));
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.stroke(style, &path_data(path));
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        self.fill(style.color(), &path_data(corners));
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        _fill: bool,
    ) -> Drawn {
        self.fill(style.color(), &path_data([(left, top), (right, top), (right, bottom), (left, bottom)]));
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, _: &str, _: &S, _: BackendCoord) -> Drawn {
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        _: &str,
        _: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok((0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_short() {
        assert_eq!(path_data([(10, 20), (15, 10), (15, 10), (5, 30)]), "M10 20l5-10-10 20");
        assert_eq!(path_data([(1, 2)]), "M1 2h0");
        assert_eq!(path_data([]), "");
    }
}
