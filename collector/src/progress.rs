//! How far a run has come, for people who wait: a line per stack on a terminal, else a plain line now and then.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::time::{MILLISECOND, Nanos, SECOND};
use std::io::{IsTerminal, stderr};

/// How far a stack has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Messages in the plan.
    pub planned: u64,
    /// Messages whose sending has ended, well or not.
    pub tried: u64,
    /// Calls that carried them.
    pub calls: u64,
    /// Messages that the queue took.
    pub sent: u64,
    /// Successful attempts; deletes, where workers print no records.
    pub done: u64,
    /// Failed attempts.
    pub failed: u64,
    /// Messages of which it is not known how often the queue took them: a call for them failed.
    pub unsure: u64,
    /// Messages that the queue took and that are not known to be gone: waiting, or being worked on.
    pub outstanding: u64,
    /// How late the last message was sent.
    pub lag: Nanos,
    /// How long the stack takes for what it has, at its rate so far; `None` while that is not known.
    pub drain: Option<Nanos>,
}

/// Time between plain lines.
const PLAIN_EVERY: Nanos = 10 * SECOND;

/// Where progress is shown: standard error.
pub struct Board {
    names: Vec<String>,
    form: Form,
}

enum Form {
    Quiet,
    Plain { next: Nanos },
    Bars(MultiProgress, Vec<ProgressBar>),
}

impl Board {
    /// A board for stacks of these names; a quiet one shows nothing.
    #[must_use]
    pub fn new(names: &[&str], quiet: bool) -> Self {
        let form = match (quiet, stderr().is_terminal()) {
            (true, _) => Form::Quiet,
            (false, false) => Form::Plain { next: PLAIN_EVERY },
            (false, true) => bars(names),
        };
        Self { names: names.iter().map(|name| (*name).into()).collect(), form }
    }

    /// Shows how far the stacks have come `at` after the start. Call it a few times a second.
    pub fn show(&mut self, at: Nanos, stacks: &[Progress]) {
        match &mut self.form {
            Form::Quiet => {}
            Form::Plain { next } if at < *next => {}
            Form::Plain { next } => {
                *next = (at / PLAIN_EVERY + 1) * PLAIN_EVERY;
                eprintln!("{}", line(at, &self.names, stacks));
            }
            Form::Bars(_, bars) => {
                for (bar, stack) in bars.iter().zip(stacks) {
                    bar.set_length(stack.planned);
                    bar.set_position(stack.sent.saturating_sub(stack.outstanding));
                    bar.set_message(figures(stack));
                }
            }
        }
    }
}

/// Nothing is left of the bars: the report follows.
impl Drop for Board {
    fn drop(&mut self) {
        if let Form::Bars(all, _) = &self.form {
            // A terminal that is gone needs no cleaning.
            let _ = all.clear();
        }
    }
}

fn bars(names: &[&str]) -> Form {
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let style = ProgressStyle::with_template("{prefix} [{bar:20}] {wide_msg}")
        .map(|style| style.progress_chars("=> "));
    let bar = |name: &&str| {
        let bar = all.add(ProgressBar::new(0));
        if let Ok(style) = &style {
            bar.set_style(style.clone());
        }
        bar.set_prefix(format!("{name:width$}"));
        bar
    };
    let lines = names.iter().map(bar).collect();
    Form::Bars(all, lines)
}

fn figures(stack: &Progress) -> String {
    let failed = if stack.failed > 0 { format!(", {} failed attempts", stack.failed) } else { String::new() };
    let Progress { planned, sent, done, outstanding, lag, .. } = stack;
    let late = lag / MILLISECOND;
    format!("{sent} of {planned} sent, {done} done{failed}, {outstanding} outstanding, {late} ms late")
}

fn line(at: Nanos, names: &[String], stacks: &[Progress]) -> String {
    let each: Vec<String> =
        names.iter().zip(stacks).map(|(name, stack)| format!("{name}: {}", figures(stack))).collect();
    format!("{:>5} s  {}", at / SECOND, each.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_names_each_stack_with_its_figures() {
        let idle = Progress { planned: 500, ..Progress::default() };
        let busy = Progress { sent: 90, done: 70, failed: 2, outstanding: 20, lag: 3_900_000, ..idle };
        assert_eq!(
            line(20 * SECOND, &["ecs".into(), "lambda".into()], &[busy, idle]),
            "   20 s  ecs: 90 of 500 sent, 70 done, 2 failed attempts, 20 outstanding, 3 ms late; \
             lambda: 0 of 500 sent, 0 done, 0 outstanding, 0 ms late"
        );
    }

    #[test]
    fn plain_lines_come_every_ten_seconds() {
        let mut board = Board { names: Vec::new(), form: Form::Plain { next: PLAIN_EVERY } };
        let mut shown = Vec::new();
        for at in 0..35 {
            board.show(at * SECOND, &[]);
            let Form::Plain { next } = board.form else { panic!("still plain") };
            shown.push(next / SECOND);
        }
        assert_eq!((shown[9], shown[10], shown[19], shown[34]), (10, 20, 20, 40));
    }
}
