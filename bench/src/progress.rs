// SPDX-License-Identifier: GPL-2.0

//! How far the benchmark is: a bar, or a line from time to time. The bar may belong to a terminal
//! that a guest's standard error reaches only in the end; so nobody is asked whether there is one.

use crate::results::Mode;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use std::io::{self, Write};

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// A bar, for a terminal.
    Bar,
    /// A line for each experiment.
    Lines,
}

/// How far it is.
pub struct Progress {
    bar: ProgressBar,
    style: Style,
}

impl Progress {
    /// To standard error.
    pub fn new(style: Style) -> Self {
        let bar = ProgressBar::with_draw_target(
            None,
            match style {
                Style::Bar => ProgressDrawTarget::term_like(Box::new(Stderr)),
                Style::Lines => ProgressDrawTarget::hidden(),
            },
        );
        let look = ProgressStyle::with_template("{prefix:10} [{bar:30}] {percent:>3} % {wide_msg}");
        if let Ok(look) = look {
            bar.set_style(look.progress_chars("=> "));
        }
        Self { bar, style }
    }

    /// An experiment of so many steps begins.
    pub fn begin(&self, mode: Mode, steps: usize) {
        let name = mode
            .to_possible_value()
            .map(|value| value.get_name().to_owned());
        let name = name.unwrap_or_default();
        if self.style == Style::Lines {
            eprintln!("bench: {name} ({steps} steps)");
        }
        self.bar.set_length(steps as u64);
        self.bar.set_position(0);
        self.bar.set_prefix(name);
    }

    /// A step begins, or is done. Drawn here and now: nothing is drawn while something is measured.
    pub fn step(&self, what: impl FnOnce() -> String) {
        if self.style == Style::Bar {
            self.bar.set_message(what());
        }
        self.bar.inc(1);
    }

    /// All is done.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Standard error, taken for a terminal.
#[derive(Debug)]
struct Stderr;

impl TermLike for Stderr {
    fn width(&self) -> u16 {
        let columns = std::env::var("GROUPS_BENCH_COLUMNS").ok();
        columns
            .and_then(|columns| columns.parse().ok())
            .unwrap_or(80)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.sequence(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.sequence(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.sequence(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.sequence(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(&format!("{text}\r\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        io::stderr().write_all(text.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write_str("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl Stderr {
    fn sequence(&self, n: usize, end: char) -> io::Result<()> {
        match n {
            0 => Ok(()),
            n => self.write_str(&format!("\x1b[{n}{end}")),
        }
    }
}
