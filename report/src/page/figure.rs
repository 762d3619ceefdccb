//! The frame that all figures share: heading, take-away, legend, plots, table.

use crate::chart::Chart;
use crate::chart::ink::stack_class;
use crate::chart::readout::Readout;
use anyhow::Result;
use maud::{Markup, PreEscaped, html};

/// One section with charts.
pub(crate) struct Figure {
    /// Identity, also the target of links.
    pub(crate) id: &'static str,
    /// Heading.
    pub(crate) title: &'static str,
    /// Heading in the navigation.
    pub(crate) short: &'static str,
    /// The sentence that the data says.
    pub(crate) take: String,
    /// What the vertical axis counts.
    pub(crate) caption: String,
    /// Keys of the lines.
    pub(crate) legend: Vec<Key>,
    /// The plots; none if there is no data, which the take-away then says.
    pub(crate) plots: Vec<Plot>,
    /// A picture that is not a plot.
    pub(crate) body: Option<Markup>,
    /// The numbers behind.
    pub(crate) table: Option<Table>,
    /// What the reader must know, below the table.
    pub(crate) notes: Vec<String>,
}

/// A key of the legend.
pub(crate) struct Key {
    /// CSS classes of its sample.
    pub(crate) class: String,
    /// Its name.
    pub(crate) name: String,
}

/// One plot with its readout.
pub(crate) struct Plot {
    /// Heading of a small multiple.
    pub(crate) heading: Option<(String, String)>,
    svg: Markup,
    /// What the crosshair reads out, if there is one.
    json: Option<String>,
    with_ends: bool,
    /// Characters of the longest label beside the plot.
    margin: usize,
}

/// A table: rows of cells, the first of each being its heading.
pub(crate) struct Table {
    /// Column headings.
    pub(crate) head: Vec<String>,
    /// Rows.
    pub(crate) rows: Vec<Vec<String>>,
    /// How many columns, from the first, hold words and are set flush left.
    pub(crate) words: usize,
}

impl Plot {
    /// Draws a chart.
    ///
    /// # Errors
    /// When plotters cannot draw it.
    pub(crate) fn of(chart: &Chart, readout: &Readout) -> Result<Self> {
        Ok(Self {
            heading: None,
            svg: chart.svg()?,
            json: Some(readout.json(&chart.x)),
            with_ends: !chart.ends.is_empty(),
            margin: chart.y.ticks.iter().map(|tick| tick.label.chars().count()).max().unwrap_or(0),
        })
    }

    /// Draws a chart that has no crosshair: its positions are not even, and its table has every value.
    ///
    /// # Errors
    /// When plotters cannot draw it.
    pub(crate) fn plain(chart: &Chart, heading: Option<String>) -> Result<Self> {
        Ok(Self {
            heading: heading.map(|name| (name, String::new())),
            svg: chart.svg()?,
            json: None,
            with_ends: !chart.ends.is_empty(),
            margin: chart.y.ticks.iter().map(|tick| tick.label.chars().count()).max().unwrap_or(0),
        })
    }

    fn markup(&self, title: &str) -> Markup {
        let subject =
            self.heading.as_ref().map_or_else(|| title.to_owned(), |(name, _)| format!("{title}, {name}"));
        html! {
            @if let Some((name, class)) = &self.heading { h3 class=(class) { (name) } }
            // A figure, for browsers indent it also where the style sheet is blocked: labels need the room.
            @if let Some(json) = &self.json {
                figure.frame.ends[self.with_ends] tabindex="0" role="group"
                    aria-label={ (subject) ". Arrow keys read values." } {
                    (self.svg)
                    script type="application/json" { (PreEscaped(json)) }
                }
            } @else {
                figure.frame.ends[self.with_ends] role="group" aria-label=(subject) { (self.svg) }
            }
        }
    }
}

impl Figure {
    /// Characters of the longest label beside any of the plots: charts share their left edge.
    pub(crate) fn margin(&self) -> usize {
        self.plots.iter().map(|plot| plot.margin).max().unwrap_or(0)
    }

    /// A figure that only says why it is empty; what there is of data is filled in afterwards.
    pub(crate) fn without_data(
        id: &'static str,
        title: &'static str,
        short: &'static str,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            id,
            title,
            short,
            take: reason.into(),
            caption: String::new(),
            legend: Vec::new(),
            plots: Vec::new(),
            body: None,
            table: None,
            notes: Vec::new(),
        }
    }

    /// The section.
    pub(crate) fn markup(&self) -> Markup {
        let id = self.id;
        html! {
            section.fig #(id) {
                h2 #{ (id) "-h" } { (self.title) }
                p.take #{ (id) "-p" } { (self.take) }
                @if !self.plots.is_empty() || self.body.is_some() {
                    figure {
                        div.bar {
                            span { (self.caption) }
                            ul.legend { @for key in &self.legend { li class=(key.class) { (key.name) } } }
                        }
                        @if let Some(body) = &self.body { (body) }
                        @if !self.plots.is_empty() { div.plots.many[self.plots.len() > 1] {
                            @for plot in &self.plots { div { (plot.markup(self.title)) } }
                        } }
                    }
                }
                @if let Some(table) = &self.table {
                    details { summary { "Table: " (self.title) } (table.markup(self.title)) }
                }
                @for note in &self.notes { p.note { (note) } }
            }
        }
    }
}

/// Most cells of a table with a row per phase.
const MOST_CELLS: usize = 60;

impl Table {
    /// A table with a row per phase: the first of them, if there are very many.
    pub(crate) fn of_phases(head: Vec<String>, mut rows: Vec<Vec<String>>) -> Self {
        let most = (MOST_CELLS / head.len().max(1)).max(6);
        if rows.len() > most {
            let mut last = vec![String::new(); head.len()];
            last[0] = format!("and {} more", rows.len() - most + 1);
            rows.truncate(most - 1);
            rows.push(last);
        }
        Self { head, rows, words: 1 }
    }

    fn alignment(&self, column: usize) -> Option<&'static str> {
        (column < self.words).then_some("tl")
    }

    /// The table in a frame that scrolls on narrow pages.
    pub(crate) fn markup(&self, name: &str) -> Markup {
        html! {
            div.scroll tabindex="0" role="region" aria-label={ "Table: " (name) } {
                table {
                    thead { tr { @for (i, cell) in self.head.iter().enumerate() {
                        th class=[self.alignment(i)] scope="col" { (cell) }
                    } } }
                    tbody { @for row in &self.rows { tr {
                        @for (i, cell) in row.iter().enumerate() {
                            @if i == 0 { th scope="row" { (cell) } } @else { td class=[self.alignment(i)] { (cell) } }
                        }
                    } } }
                }
            }
        }
    }
}

/// One key per stack.
pub(crate) fn stack_keys(names: &[&str]) -> Vec<Key> {
    names.iter().enumerate().map(|(i, name)| Key { class: stack_class(i), name: (*name).into() }).collect()
}
