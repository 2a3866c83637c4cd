// SPDX-License-Identifier: GPL-2.0

//! What was measured: samples, and what they are samples of. The JSON file is this.

use crate::machine::Machine;
use crate::stats::Summary;
use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::path::Path;

/// An experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// What INSTALL_GROUP costs with few and with many groups. To be run first: groups stay.
    Install,
    /// What it costs one thread to send a message and receive it.
    Pair,
    /// What sending and receiving cost with few and with many messages in the queue, and memory.
    Growth,
    /// What delayed messages cost, and to revoke and flush them, with few and with many of them.
    Delayed,
    /// How many messages threads deliver, half of which send and half of which receive.
    Many,
    /// How long a message and its answer take between two processes.
    PingPong,
    /// How long it takes until the last of many sleepers runs.
    WakeUp,
    /// How late delayed messages are.
    Delay,
}

/// What a thread does that cannot go on because the channel is full or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// It lets others run (`sched_yield`), and tries again.
    Yield,
    /// It waits in the kernel.
    Block,
}

/// What samples are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Instructions of the guest's, kernel and program together.
    Instructions,
    /// Nanoseconds.
    Nanoseconds,
    /// Messages that were delivered, in a second.
    MessagesPerSecond,
    /// Bytes.
    Bytes,
}

impl Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Instructions => "instructions",
            Self::Nanoseconds => "ns",
            Self::MessagesPerSecond => "messages/s",
            Self::Bytes => "bytes",
        })
    }
}

/// Under which conditions something was measured; what does not matter to it is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// The size of messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// How many threads there are, half of which send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// What they do when they cannot go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// How many there are: messages, groups, sleepers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
}

/// What can be compared with each other: everybody's figures, everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The experiment.
    pub mode: Mode,
    /// What of it.
    pub measure: &'static str,
    /// In what.
    pub unit: Unit,
}

/// Samples of one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The experiment.
    pub mode: Mode,
    /// What of it.
    pub measure: String,
    /// By whom.
    pub contestant: String,
    /// Where.
    #[serde(flatten)]
    pub at: Point,
    /// In what.
    pub unit: Unit,
    /// One for each round.
    pub samples: Vec<f64>,
}

impl Series {
    /// The median and its spread.
    pub fn summary(&self) -> Option<Summary> {
        Summary::of(&self.samples)
    }
}

/// What was measured on one machine, which may be a guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The machine.
    pub machine: Machine,
    /// Whether this was a short run, for development: not to be published.
    pub quick: bool,
    /// What was measured there.
    pub series: Vec<Series>,
}

/// All that was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// On each machine.
    pub runs: Vec<Run>,
}

impl Run {
    /// Adds a sample.
    pub fn add(&mut self, key: Series) {
        let same = |series: &&mut Series| {
            (
                series.mode,
                &series.measure,
                &series.contestant,
                series.at,
                series.unit,
            ) == (key.mode, &key.measure, &key.contestant, key.at, key.unit)
        };
        match self.series.iter_mut().find(same) {
            Some(series) => series.samples.extend(key.samples),
            None => self.series.push(key),
        }
    }
}

impl Results {
    /// Reads one or more files, as one.
    pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        let mut all = Self::default();
        for path in paths {
            let path = path.as_ref();
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let some: Self = serde_json::from_str(&text)
                .with_context(|| format!("{} is no result", path.display()))?;
            all.runs.extend(some.runs);
        }
        Ok(all)
    }

    /// Writes a file, with a line for each series.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = String::from("{\"runs\":[");
        for (i, run) in self.runs.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let machine = serde_json::to_string(&run.machine)?;
            text += &format!(
                "{comma}\n{{\"machine\":{machine},\n\"quick\":{},\n\"series\":[",
                run.quick
            );
            for (i, series) in run.series.iter().enumerate() {
                text += if i > 0 { ",\n" } else { "\n" };
                text += &serde_json::to_string(series)?;
            }
            text += "\n]}";
        }
        text += "\n]}\n";
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }

    /// All series of a topic.
    pub fn of(&self, topic: Topic) -> impl Iterator<Item = &Series> {
        let all = self.runs.iter().flat_map(|run| &run.series);
        all.filter(move |series| {
            (series.mode, series.measure.as_str(), series.unit)
                == (topic.mode, topic.measure, topic.unit)
        })
    }

    /// The topic of this measure: in instructions where they were counted, else in nanoseconds.
    pub fn topic(&self, mode: Mode, measure: &'static str) -> Topic {
        let counted = Topic {
            mode,
            measure,
            unit: Unit::Instructions,
        };
        let timed = Topic {
            unit: Unit::Nanoseconds,
            ..counted
        };
        if self.of(counted).next().is_some() {
            counted
        } else {
            timed
        }
    }

    /// One series' summary.
    pub fn summary(&self, topic: Topic, contestant: &str, at: Point) -> Option<Summary> {
        self.of(topic)
            .find(|series| series.contestant == contestant && series.at == at)?
            .summary()
    }

    /// One series' median.
    pub fn median(&self, topic: Topic, contestant: &str, at: Point) -> Option<f64> {
        self.summary(topic, contestant, at)
            .map(|summary| summary.median)
    }

    /// The conditions under which this was measured, in the order in which it was.
    pub fn points(&self, topic: Topic) -> Vec<Point> {
        let mut points = Vec::new();
        for series in self.of(topic) {
            if !points.contains(&series.at) {
                points.push(series.at);
            }
        }
        points
    }

    /// Who was measured in this, in the order in which they were.
    pub fn contestants(&self, topic: Topic) -> Vec<&str> {
        let mut names = Vec::new();
        for series in self.of(topic) {
            if !names.contains(&series.contestant.as_str()) {
                names.push(&series.contestant);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(contestant: &str, value: f64) -> Series {
        Series {
            mode: Mode::Many,
            measure: "delivered".into(),
            contestant: contestant.into(),
            at: Point {
                threads: Some(2),
                waiting: Some(Waiting::Block),
                ..Point::default()
            },
            unit: Unit::MessagesPerSecond,
            samples: vec![value],
        }
    }

    #[test]
    fn samples_of_the_same_are_one_series_and_come_back_from_the_file() {
        let machine = Machine::unknown();
        let mut run = Run {
            machine,
            quick: true,
            series: Vec::new(),
        };
        run.add(sample("a", 1.0));
        run.add(sample("b", 9.0));
        run.add(sample("a", 3.0));
        let results = Results {
            runs: vec![run.clone(), run],
        };

        let path = std::env::temp_dir().join(format!("bench-{}.json", std::process::id()));
        results.write(&path).unwrap();
        let read = Results::read(&[&path]).unwrap();
        std::fs::remove_file(&path).unwrap();

        assert_eq!(read, results);
        let at = sample("a", 0.0).at;
        let topic = Topic {
            mode: Mode::Many,
            measure: "delivered",
            unit: Unit::MessagesPerSecond,
        };
        assert_eq!(read.median(topic, "a", at), Some(2.0));
        assert_eq!(read.median(topic, "c", at), None);
        assert_eq!(read.contestants(topic), ["a", "b"]);
        assert_eq!(read.points(topic), [at]);
    }
}
