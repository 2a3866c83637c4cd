// SPDX-License-Identifier: GPL-2.0

//! The gate: a message may not cost noticeably more instructions than is on record, for the same
//! kernel and the same compiler.

use crate::contestants::OURS;
use crate::modes::pair;
use crate::results::{Mode, Results, Topic, Unit};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// By how much more instructions are let pass.
pub const TOLERANCE: f64 = 0.03;

/// Instructions for a message, by its size in bytes.
pub type Figures = BTreeMap<usize, u64>;

/// What is on record: figures, by kernel and compiler (see [`Machine::key`]).
///
/// [`Machine::key`]: crate::machine::Machine::key
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record(BTreeMap<String, Figures>);

/// What the gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is on record for this kernel and this compiler.
    Unknown,
    /// Instructions are what they were.
    Same,
    /// They are fewer, by more than [`TOLERANCE`]: to be put on record.
    Fewer,
    /// They are more, by more than [`TOLERANCE`].
    More,
}

impl Record {
    /// Reads a file. One that is not there has nothing on record.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| format!("{} is no record", path.display()))
    }

    /// Writes a file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }

    /// The figures for a kernel and a compiler.
    pub fn get(&self, key: &str) -> Option<&Figures> {
        self.0.get(key)
    }

    /// Puts figures on record; what was there before.
    pub fn set(&mut self, key: &str, figures: Figures) -> Option<Figures> {
        self.0.insert(key.to_owned(), figures)
    }
}

/// Our figures.
pub fn figures(results: &Results) -> Result<Figures> {
    let topic = Topic {
        mode: Mode::Pair,
        measure: pair::MEASURE,
        unit: Unit::Instructions,
    };
    let mut figures = Figures::new();
    for at in results.points(topic) {
        let instructions = results.median(topic, OURS, at);
        if let Some((bytes, instructions)) = at.bytes.zip(instructions) {
            figures.insert(bytes, instructions.round() as u64);
        }
    }
    ensure!(
        !figures.is_empty(),
        "no instructions were counted: the gate needs --icount"
    );
    Ok(figures)
}

/// Judges what was measured by what is on record.
pub fn judge(recorded: Option<&Figures>, measured: &Figures) -> Verdict {
    let Some(recorded) = recorded else {
        return Verdict::Unknown;
    };
    let mut verdict = Verdict::Same;
    for (size, &now) in measured {
        let Some(&before) = recorded.get(size) else {
            return Verdict::Unknown;
        };
        let (now, before) = (now as f64, before as f64);
        if now > before * (1.0 + TOLERANCE) {
            return Verdict::More;
        }
        if now < before * (1.0 - TOLERANCE) {
            verdict = Verdict::Fewer;
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures<const N: usize>(figures: [(usize, u64); N]) -> Figures {
        figures.into()
    }

    #[test]
    fn gate_lets_pass_what_is_within_the_tolerance() {
        let recorded = figures([(64, 2000), (1024, 3000)]);
        for measured in [[2000, 3000], [2060, 3090], [1941, 2911]] {
            let measured = figures([(64, measured[0]), (1024, measured[1])]);
            assert_eq!(
                judge(Some(&recorded), &measured),
                Verdict::Same,
                "{measured:?}"
            );
        }
    }

    #[test]
    fn gate_fails_if_one_size_costs_more() {
        let recorded = figures([(64, 2000), (1024, 3000)]);
        for measured in [[2061, 3000], [2000, 3091], [1000, 3091]] {
            let measured = figures([(64, measured[0]), (1024, measured[1])]);
            assert_eq!(
                judge(Some(&recorded), &measured),
                Verdict::More,
                "{measured:?}"
            );
        }
    }

    #[test]
    fn gate_notices_what_costs_less() {
        let recorded = figures([(64, 2000), (1024, 3000)]);
        let measured = figures([(64, 1500), (1024, 3000)]);
        assert_eq!(judge(Some(&recorded), &measured), Verdict::Fewer);
    }

    #[test]
    fn gate_does_not_know_what_is_not_on_record() {
        let measured = figures([(64, 2000), (1024, 3000)]);
        assert_eq!(judge(None, &measured), Verdict::Unknown);
        assert_eq!(
            judge(Some(&figures([(64, 2000)])), &measured),
            Verdict::Unknown
        );
    }

    #[test]
    fn record_keeps_the_figures_of_every_kernel() {
        let path = std::env::temp_dir().join(format!("bench-record-{}", std::process::id()));
        let mut record = Record::read(&path).unwrap();
        assert_eq!(record, Record::default());
        assert_eq!(record.set("a", figures([(64, 1)])), None);
        record.set("b", figures([(64, 2)]));
        assert_eq!(
            record.set("a", figures([(64, 3)])),
            Some(figures([(64, 1)]))
        );
        record.write(&path).unwrap();
        let read = Record::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read, record);
        assert_eq!(read.get("a"), Some(&figures([(64, 3)])));
        assert_eq!(read.get("b"), Some(&figures([(64, 2)])));
    }
}
