// SPDX-License-Identifier: GPL-2.0

//! The experiments: one file for each.

pub mod delay;
pub mod delayed;
pub mod growth;
pub mod install;
pub mod many;
pub mod pair;
pub mod ping_pong;
pub mod wake_up;

use crate::plan::Plan;
use crate::progress::Progress;
use crate::results::{Mode, Point, Run, Series, Unit};
use anyhow::Result;

/// What an experiment is given: how much to do, and where its samples go.
pub struct Bench<'a> {
    /// How much to do.
    pub plan: &'a Plan,
    /// Where samples go.
    pub run: &'a mut Run,
    /// Who is told how far it is.
    pub progress: &'a Progress,
    /// What a nanosecond of the clock's stands for.
    pub time: Unit,
}

impl Bench<'_> {
    /// Runs one experiment.
    pub fn run(&mut self, mode: Mode) -> Result<()> {
        match mode {
            Mode::Install => install::run(self),
            Mode::Pair => pair::run(self),
            Mode::Growth => growth::run(self),
            Mode::Delayed => delayed::run(self),
            Mode::Many => many::run(self),
            Mode::PingPong => ping_pong::run(self),
            Mode::WakeUp => wake_up::run(self),
            Mode::Delay => delay::run(self),
        }
    }

    /// Notes how long something took, in nanoseconds.
    fn took(&mut self, mode: Mode, measure: &str, contestant: &str, at: Point, ns: &[f64]) {
        self.note(mode, measure, contestant, at, self.time, ns);
    }

    /// Notes samples.
    fn note(
        &mut self,
        mode: Mode,
        measure: &str,
        contestant: &str,
        at: Point,
        unit: Unit,
        samples: &[f64],
    ) {
        self.run.add(Series {
            mode,
            measure: measure.into(),
            contestant: contestant.into(),
            at,
            unit,
            samples: samples.to_vec(),
        });
    }
}

/// Who begins in this round: each one is first, and last, as often as the others. What a machine
/// does for a while then meets all of them.
fn in_turn<T>(field: &[T], round: usize) -> impl Iterator<Item = &T> {
    let first = round % field.len().max(1);
    field[first..].iter().chain(&field[..first])
}
