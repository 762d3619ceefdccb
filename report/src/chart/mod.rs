//! Charts: plotters draws the shapes, the page owns their look.
//!
//! A chart is an `<svg>` without a view box whose area is the plot; its shapes sit in a nested `<svg>` that
//! stretches, its labels overflow into the padding of the frame around it. So one picture serves every width, both
//! themes and print, with and without scripts.

mod backend;
pub(crate) mod ink;
pub(crate) mod labels;
pub(crate) mod readout;
pub(crate) mod scale;

use anyhow::{Result, anyhow};
use backend::{HEIGHT, Paths, WIDTH};
use ink::Ink;
use labels::{Band, End};
use maud::{Markup, PreEscaped, html};
use plotters::prelude::{
    AreaSeries, ChartBuilder, ChartContext, IntoDrawingArea, LineSeries, PathElement, Rectangle,
};
use plotters::style::{Color, ShapeStyle};
use scale::Scale;

/// Units of the canvas above and below the plot: a line along its edge is drawn whole, about a pixel on each side.
const MARGIN: i32 = 8;

/// How much of a plot's height the mark of an alarm takes.
const ALARM: f64 = 0.12;

/// More phases than this are not shaded: they would be a pattern of their own.
const MOST_BANDS: usize = 24;

type Plane = plotters::coord::cartesian::Cartesian2d<Scale, Scale>;

/// A line's points; gaps are `None`.
pub(crate) type Points = Vec<(f64, Option<f64>)>;

/// Something to draw.
pub(crate) enum Mark {
    /// A line, broken at gaps.
    Line(Ink, Points),
    /// An area down to 0, broken at gaps; opacity 0 to 1.
    Area(Ink, f64, Points),
    /// Points of their own.
    Dots(Ink, Vec<(f64, f64)>),
    /// A vertical rule; an [`Ink::Alarm`] is a short one at the top, others are as high as the plot.
    Rule(Ink, f64),
}

/// One chart.
pub(crate) struct Chart<'a> {
    /// Identity of its section: `<id>-h` is its heading and `<id>-p` its take-away, which name the picture.
    pub(crate) id: &'a str,
    /// Horizontal axis.
    pub(crate) x: Scale,
    /// Vertical axis.
    pub(crate) y: Scale,
    /// Phases behind the data.
    pub(crate) bands: &'a [Band],
    /// Whether the phases are named.
    pub(crate) named_bands: bool,
    /// The data, back to front.
    pub(crate) marks: Vec<Mark>,
    /// Names at line ends.
    pub(crate) ends: Vec<End>,
}

impl Chart<'_> {
    /// The picture.
    ///
    /// # Errors
    /// When plotters cannot draw it.
    pub(crate) fn svg(&self) -> Result<Markup> {
        let mut shapes = String::new();
        self.draw(&mut shapes).map_err(|error| anyhow!("drawing chart {}: {error}", self.id))?;
        Ok(html! {
            svg.plot width="100%" height="260" overflow="visible" font-family="sans-serif" font-size="12" role="img"
                aria-labelledby={ (self.id) "-h " (self.id) "-p" } {
                svg viewBox={ "0 " (-MARGIN) " " (WIDTH) " " (HEIGHT as i32 + 2 * MARGIN) } preserveAspectRatio="none" width="100%" height="100%"
                    overflow="hidden" aria-hidden="true" { (PreEscaped(shapes)) }
                (labels::beside(&self.y)) (labels::below(&self.x))
                @if self.named_bands { (labels::above(&self.x, self.bands)) }
                (labels::ends(&self.y, &self.ends))
            }
        })
    }

    fn draw(&self, shapes: &mut String) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let area = Paths::new(shapes).into_drawing_area();
        let mut plane = ChartBuilder::on(&area).build_cartesian_2d(self.x.clone(), self.y.clone())?;
        let (bottom, top) = (self.y.lo, self.y.hi);
        let bands = if self.bands.len() > MOST_BANDS { &[] } else { self.bands };
        for band in bands.iter().skip(1).step_by(2) {
            let corners = [(band.from, bottom), (band.until.min(self.x.hi), top)];
            plane.draw_series([Rectangle::new(corners, Ink::Band.key().filled())])?;
        }
        // A line without a label would leave its value to guesses.
        let labelled = labels::labelled(&self.y);
        let across = labelled.iter().map(|tick| [(self.x.lo, tick.at), (self.x.hi, tick.at)]);
        // Phases structure the horizontal axis where there are any.
        let along = self.x.ticks.iter().filter(|_| bands.is_empty());
        let along = along.map(|tick| [(tick.at, bottom), (tick.at, top)]);
        for line in across.chain(along) {
            plane.draw_series([PathElement::new(line, stroke(Ink::Grid))])?;
        }
        for mark in &self.marks {
            draw_mark(&mut plane, mark, bottom, top)?;
        }
        drop(plane);
        area.present()?;
        Ok(())
    }
}

fn draw_mark(
    plane: &mut ChartContext<'_, Paths<'_>, Plane>,
    mark: &Mark,
    bottom: f64,
    top: f64,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match mark {
        Mark::Line(ink, points) => {
            for run in unbroken(points) {
                plane.draw_series(LineSeries::new(run, stroke(*ink)))?;
            }
        }
        Mark::Area(ink, opacity, points) => {
            for run in unbroken(points) {
                plane.draw_series(AreaSeries::new(run, bottom, ink.key().mix(*opacity)))?;
            }
        }
        Mark::Dots(ink, points) => {
            // Plotters leaves out a line without length, but not a path.
            let dots = points.iter().map(|point| PathElement::new([*point, *point], stroke(*ink)));
            plane.draw_series(dots)?;
        }
        Mark::Rule(ink, at) => {
            let from = if *ink == Ink::Alarm { top - (top - bottom) * ALARM } else { bottom };
            plane.draw_series([PathElement::new([(*at, from), (*at, top)], stroke(*ink))])?;
        }
    }
    Ok(())
}

fn stroke(ink: Ink) -> ShapeStyle {
    ink.key().stroke_width(ink.width())
}

/// The stretches of a line that have no gap.
fn unbroken(points: &[(f64, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    points
        .split(|(_, y)| y.is_none())
        .map(|run| run.iter().filter_map(|(x, y)| y.map(|y| (*x, y))).collect::<Vec<_>>())
        .filter(|run| !run.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_break_a_line() {
        let points = [(0.0, Some(1.0)), (1.0, None), (2.0, Some(3.0)), (3.0, Some(4.0)), (4.0, None)];
        assert_eq!(unbroken(&points), [vec![(0.0, 1.0)], vec![(2.0, 3.0), (3.0, 4.0)]]);
    }

    #[test]
    fn the_golden_chart() {
        let bands = [
            Band { name: "steady".into(), from: 0.0, until: 60.0 },
            Band { name: "spike".into(), from: 60.0, until: 120.0 },
        ];
        let line = vec![(0.0, Some(0.0)), (60.0, Some(100.0)), (120.0, Some(50.0))];
        let chart = Chart {
            id: "golden",
            x: Scale::time(120.0, 6),
            y: Scale::linear(100.0, 4, crate::format::number),
            bands: &bands,
            named_bands: true,
            marks: vec![Mark::Line(Ink::Line(0), line)],
            ends: vec![End { stack: 0, name: "ecs".into(), at: 50.0 }],
        };
        let svg = chart.svg().unwrap().into_string();
        assert!(
            svg.contains("<path class=\"f band\" fill=\"#f4f6f8\" d=\"M2000 0l2000 0 0 1200-2000 0z\"/>"),
            "{svg}"
        );
        let line = "<path class=\"l s1\" fill=\"none\" stroke=\"#0067a5\" stroke-width=\"2\" \
                    vector-effect=\"non-scaling-stroke\" d=\"M0 1200l2000-1200 2000 600\"/>";
        assert!(svg.contains(line), "{svg}");
        assert!(svg.contains("<text x=\"25%\" y=\"-8\" text-anchor=\"middle\">steady</text>"), "{svg}");
        assert!(
            svg.contains("<text class=\"end s1\" x=\"100%\" dx=\"8\" y=\"50%\" dy=\".32em\">ecs</text>"),
            "{svg}"
        );
    }
}
