//! What a person sees while a test runs: live lines on a terminal, plain lines without one. Everything goes to
//! standard error; standard output is for data.

mod tally;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perjury_runner::{Notice, Phase};

pub use tally::Tally;

/// How often live lines are drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// How often a plain line is printed.
const PRINT_EVERY: Duration = Duration::from_secs(5);

/// Listens to a test and tells a person.
#[derive(Debug)]
pub struct Progress {
    tally: Tally,
    show: Show,
    drawn: Instant,
    limit: Duration,
}

#[derive(Debug)]
enum Show {
    /// Lines that are drawn over.
    Live(ProgressBar),
    /// A line now and then.
    Plain,
    /// Nothing, for machines.
    Quiet,
}

impl Progress {
    /// `limit` is the length of the main phase; `quiet` shows nothing.
    pub fn new(limit: Duration, quiet: bool) -> Self {
        let show = if quiet {
            Show::Quiet
        } else if std::io::stderr().is_terminal() {
            let target = ProgressDrawTarget::stderr_with_hz(10);
            let bar = ProgressBar::with_draw_target(Some(limit.as_millis() as u64), target);
            let style = ProgressStyle::with_template("{wide_bar:.cyan/dim} {prefix}\n{msg}")
                .expect("the template is well-formed")
                .progress_chars("━╸─");
            bar.set_style(style);
            Show::Live(bar)
        } else {
            Show::Plain
        };
        Progress {
            tally: Tally::default(),
            show,
            drawn: Instant::now(),
            limit,
        }
    }

    /// Takes the next notice.
    pub fn notice(&mut self, notice: &Notice) {
        let told = self.tally.take(notice);
        match &self.show {
            Show::Quiet => return,
            Show::Live(bar) => {
                if let Some(line) = told {
                    bar.suspend(|| say!("{line}"));
                }
                if self.drawn.elapsed() < DRAW_EVERY {
                    return;
                }
                let into = self.tally.into_main(self.limit);
                bar.set_position(into.as_millis() as u64);
                bar.set_prefix(format!(
                    "{} {}/{} s",
                    self.tally.phase(),
                    into.as_secs(),
                    self.limit.as_secs()
                ));
                bar.set_message(self.tally.lines().join("\n"));
                self.drawn = Instant::now();
                self.tally.begin_window();
            }
            Show::Plain => {
                if let Some(line) = told {
                    say!("{line}");
                }
                if self.drawn.elapsed() < PRINT_EVERY {
                    return;
                }
                say!("{}", self.tally.lines().join("; "));
                self.drawn = Instant::now();
                self.tally.begin_window();
            }
        }
        if matches!(
            notice,
            Notice::Phase {
                phase: Phase::Done,
                ..
            }
        ) {
            self.finish();
        }
    }

    /// Takes the live lines away.
    pub fn finish(&self) {
        if let Show::Live(bar) = &self.show {
            bar.finish_and_clear();
        }
    }
}
