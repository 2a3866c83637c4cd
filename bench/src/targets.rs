// SPDX-License-Identifier: GPL-2.0

//! What the module is to reach, and whether it does: computed from what was measured.

use crate::barriers;
use crate::contestants::{FLOOR, OURS};
use crate::modes::{delayed, growth, install, many, pair, ping_pong, wake_up};
use crate::output::number;
use crate::results::{Mode, Point, Results, Topic, Unit};
use crate::stats::flatness;

/// Whether a target is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// Something that it takes was not measured.
    Unknown,
}

/// A target.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What of the module.
    pub figure: String,
    /// What it is to be.
    pub wanted: &'static str,
    /// What it is.
    pub measured: String,
    /// Whether it is that.
    pub verdict: Verdict,
}

impl Target {
    fn at_most(figure: String, wanted: &'static str, limit: f64, measured: Option<f64>) -> Self {
        Self {
            figure,
            wanted,
            measured: measured.map_or_else(|| "–".into(), |value| format!("{value:.3} ×")),
            verdict: match measured {
                None => Verdict::Unknown,
                Some(value) if value <= limit => Verdict::Met,
                Some(_) => Verdict::Missed,
            },
        }
    }
}

/// All of them.
pub fn all(results: &Results) -> Vec<Target> {
    let mut targets = pairs(results);
    targets.extend(many_cells(results));
    targets.extend(round_trips(results));
    targets.extend(wake_ups(results));
    targets.extend(growths(results));
    targets.push(memory(results));
    targets
}

/// The least, or the greatest, of the others' medians.
pub fn best_other(results: &Results, topic: Topic, at: Point) -> Option<(&str, f64)> {
    let others = results.contestants(topic).into_iter();
    let others = others.filter(|&name| name != OURS && name != FLOOR.name);
    let medians = others.filter_map(|name| Some((name, results.median(topic, name, at)?)));
    let order = |a: &(&str, f64), b: &(&str, f64)| a.1.total_cmp(&b.1);
    match topic.unit {
        Unit::MessagesPerSecond => medians.max_by(order),
        _ => medians.min_by(order),
    }
}

fn ratio(ours: Option<f64>, other: Option<f64>) -> Option<f64> {
    ours.zip(other).map(|(ours, other)| ours / other)
}

fn pairs(results: &Results) -> Vec<Target> {
    let topic = Topic {
        mode: Mode::Pair,
        measure: pair::MEASURE,
        unit: Unit::Instructions,
    };
    let mut targets = Vec::new();
    for bytes in [64, 1024] {
        let at = Point {
            bytes: Some(bytes),
            ..Point::default()
        };
        let ours = results.median(topic, OURS, at);
        let floor = ratio(ours, results.median(topic, FLOOR.name, at));
        let best = ratio(ours, best_other(results, topic, at).map(|(_, best)| best));
        let figure = format!("pair, {bytes} bytes, instructions");
        targets.push(Target::at_most(
            figure.clone(),
            "at most 1.35 × the floor",
            1.35,
            floor,
        ));
        targets.push(Target::at_most(
            figure,
            "at most 0.9 × the best alternative",
            0.9,
            best,
        ));
    }
    targets
}

/// In which cells we deliver how many times what the best other does.
pub fn ratios(results: &Results, waiting: crate::results::Waiting) -> Vec<(Point, &str, f64)> {
    let topic = Topic {
        mode: Mode::Many,
        measure: many::MEASURE,
        unit: Unit::MessagesPerSecond,
    };
    let mut ratios = Vec::new();
    for at in results.points(topic) {
        let ours = results
            .median(topic, OURS, at)
            .filter(|_| at.waiting == Some(waiting));
        if let Some((ours, (name, best))) = ours.zip(best_other(results, topic, at)) {
            ratios.push((at, name, ours / best));
        }
    }
    ratios
}

fn many_cells(results: &Results) -> Vec<Target> {
    use crate::results::Waiting::{Block, Yield};
    let mut targets = Vec::new();
    for (waiting, name) in [(Yield, "yielding"), (Block, "blocking")] {
        let ratios = ratios(results, waiting);
        let won = ratios.iter().filter(|(_, _, ratio)| *ratio > 1.0).count();
        let least = ratios.iter().min_by(|a, b| a.2.total_cmp(&b.2));
        let measured = least.map(|(at, other, least)| {
            let (threads, bytes) = (at.threads.unwrap_or(0), at.bytes.unwrap_or(0));
            format!(
                "{won} of {} cells; least {least:.2} × {other}, {threads} threads, {} bytes",
                ratios.len(),
                number(bytes as f64)
            )
        });
        targets.push(Target {
            figure: format!("many, {name}, messages a second"),
            wanted: "more than every alternative in every cell",
            verdict: match &measured {
                None => Verdict::Unknown,
                Some(_) if won == ratios.len() => Verdict::Met,
                Some(_) => Verdict::Missed,
            },
            measured: measured.unwrap_or_else(|| "–".into()),
        });
    }
    targets
}

/// As [`wake_ups`].
fn round_trips(results: &Results) -> Vec<Target> {
    let of = |(unit, figure): (Unit, &str)| {
        let measure = ping_pong::MEASURES[0].0;
        let topic = Topic {
            mode: Mode::PingPong,
            measure,
            unit,
        };
        let at = results.points(topic).first().copied().unwrap_or_default();
        let best = best_other(results, topic, at).map(|(_, best)| best);
        let measured = ratio(results.median(topic, OURS, at), best);
        let wanted = "at most 1 × the best alternative";
        Target::at_most(figure.into(), wanted, 1.0, measured)
    };
    [
        (Unit::Nanoseconds, "ping-pong, median time"),
        (
            Unit::Instructions,
            "ping-pong, median instructions, one processor",
        ),
    ]
    .map(of)
    .into()
}

/// By time, and by instructions, which are the same on every run.
fn wake_ups(results: &Results) -> Vec<Target> {
    let of = |unit, count, figure: &str| {
        let topic = Topic {
            mode: Mode::WakeUp,
            measure: wake_up::MEASURE,
            unit,
        };
        let at = Point {
            count: Some(count),
            ..Point::default()
        };
        let futex = results.median(topic, barriers::FUTEX, at);
        let measured = ratio(results.median(topic, OURS, at), futex);
        let figure = format!("wake-up, {} sleepers, {figure}", number(count as f64));
        Target::at_most(figure, "at most 1.2 × a futex broadcast", 1.2, measured)
    };
    let mut targets = Vec::new();
    for count in [100, 1000] {
        targets.push(of(Unit::Nanoseconds, count, "time"));
        let counted = "instructions, one processor";
        targets.push(of(Unit::Instructions, count, counted));
    }
    targets
}

fn growths(results: &Results) -> Vec<Target> {
    let flat = |mode, measure, figure: &str, wanted, limit| {
        let topic = results.topic(mode, measure);
        let ours: Vec<_> = results
            .of(topic)
            .filter(|series| series.contestant == OURS)
            .collect();
        // Of one length alone nobody can say that it grows.
        let medians = ours
            .iter()
            .filter_map(|series| Some(series.summary()?.median));
        let measured = flatness(medians).filter(|_| ours.len() > 1);
        Target::at_most(figure.into(), wanted, limit, measured)
    };
    let (five, ten) = (
        "greatest at most 1.05 × least",
        "greatest at most 1.10 × least",
    );
    vec![
        flat(Mode::Growth, growth::SEND, "growth, write", five, 1.05),
        flat(Mode::Growth, growth::RECEIVE, "growth, read", five, 1.05),
        flat(
            Mode::Delayed,
            delayed::SEND,
            "growth, delayed write",
            five,
            1.05,
        ),
        flat(
            Mode::Install,
            install::FIND,
            "growth, install, found",
            ten,
            1.10,
        ),
        flat(
            Mode::Install,
            install::MAKE,
            "growth, install, made",
            ten,
            1.10,
        ),
    ]
}

/// With as many messages as there were, and by the greater of the two ways to look.
fn memory(results: &Results) -> Target {
    let (mode, unit) = (Mode::Growth, Unit::Bytes);
    let most = [growth::CHARGED, growth::FREE]
        .into_iter()
        .filter_map(|measure| {
            let topic = Topic {
                mode,
                measure,
                unit,
            };
            let last = results
                .of(topic)
                .filter(|series| series.contestant == OURS)
                .last()?;
            Some(last.summary()?.median)
        });
    let over = most
        .reduce(f64::max)
        .map(|bytes| bytes - growth::SIZE as f64);
    let mut target = Target::at_most(
        "memory of a queued message of 64 bytes".into(),
        "at most 64 bytes over the payload",
        64.0,
        over,
    );
    if let Some(over) = over {
        target.measured = format!("{over:.1} bytes over it");
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::{Run, Series, Waiting};

    fn series(topic: Topic, contestant: &str, at: Point, value: f64) -> Series {
        Series {
            mode: topic.mode,
            measure: topic.measure.into(),
            contestant: contestant.into(),
            at,
            unit: topic.unit,
            samples: vec![value],
        }
    }

    fn results(series: Vec<Series>) -> Results {
        let machine = Machine::unknown();
        Results {
            runs: vec![Run {
                machine,
                quick: false,
                series,
            }],
        }
    }

    fn verdict(results: &Results, figure: &str, wanted: &str) -> Verdict {
        let targets = all(results);
        let mut named = targets
            .iter()
            .filter(|t| t.figure.starts_with(figure) && t.wanted.contains(wanted));
        let target = named.next().expect("no such target");
        assert!(named.next().is_none(), "two such targets");
        target.verdict
    }

    #[test]
    fn nothing_measured_is_nothing_met() {
        let targets = all(&Results::default());
        assert!(
            targets
                .iter()
                .all(|target| target.verdict == Verdict::Unknown),
            "{targets:#?}"
        );
    }

    #[test]
    fn pair_is_compared_with_the_floor_and_the_best_of_the_others() {
        let topic = Topic {
            mode: Mode::Pair,
            measure: pair::MEASURE,
            unit: Unit::Instructions,
        };
        let at = Point {
            bytes: Some(64),
            ..Point::default()
        };
        let with = |ours| {
            results(vec![
                series(topic, FLOOR.name, at, 1000.0),
                series(topic, OURS, at, ours),
                series(topic, "slow", at, 5000.0),
                series(topic, "fast", at, 1480.0),
            ])
        };
        assert_eq!(verdict(&with(1330.0), "pair, 64", "floor"), Verdict::Met);
        assert_eq!(
            verdict(&with(1330.0), "pair, 64", "alternative"),
            Verdict::Met
        );
        assert_eq!(verdict(&with(1340.0), "pair, 64", "floor"), Verdict::Met);
        assert_eq!(
            verdict(&with(1340.0), "pair, 64", "alternative"),
            Verdict::Missed
        );
        assert_eq!(verdict(&with(1360.0), "pair, 64", "floor"), Verdict::Missed);
        assert_eq!(
            verdict(&with(1360.0), "pair, 1024", "floor"),
            Verdict::Unknown
        );
    }

    #[test]
    fn many_is_won_in_every_cell_or_not_at_all() {
        let topic = Topic {
            mode: Mode::Many,
            measure: many::MEASURE,
            unit: Unit::MessagesPerSecond,
        };
        let at = |bytes| Point {
            threads: Some(2),
            bytes: Some(bytes),
            waiting: Some(Waiting::Block),
            ..Point::default()
        };
        let with = |ours| {
            results(vec![
                series(topic, OURS, at(10), 200.0),
                series(topic, "slow", at(10), 50.0),
                series(topic, "fast", at(10), 100.0),
                series(topic, OURS, at(1000), ours),
                series(topic, "slow", at(1000), 60.0),
            ])
        };
        assert_eq!(verdict(&with(61.0), "many, blocking", ""), Verdict::Met);
        assert_eq!(verdict(&with(60.0), "many, blocking", ""), Verdict::Missed);
        assert_eq!(verdict(&with(61.0), "many, yielding", ""), Verdict::Unknown);
        let results = with(90.0);
        let ratios = ratios(&results, Waiting::Block).into_iter();
        let ratios: Vec<_> = ratios.map(|(_, name, ratio)| (name, ratio)).collect();
        assert_eq!(ratios, [("fast", 2.0), ("slow", 1.5)]);
    }

    #[test]
    fn growth_is_flat_over_all_lengths() {
        let topic = Topic {
            mode: Mode::Growth,
            measure: growth::SEND,
            unit: Unit::Instructions,
        };
        let with = |costs: &[f64]| {
            let at = |count| Point {
                count: Some(count),
                ..Point::default()
            };
            let costs = costs.iter().enumerate();
            let mut all: Vec<_> = costs
                .map(|(i, &cost)| series(topic, OURS, at(i), cost))
                .collect();
            all.push(series(topic, "other", at(1), 9999.0));
            results(all)
        };
        assert_eq!(
            verdict(&with(&[1000.0, 1040.0, 1000.0]), "growth, write", ""),
            Verdict::Met
        );
        assert_eq!(
            verdict(&with(&[1000.0, 1000.0, 1060.0]), "growth, write", ""),
            Verdict::Missed
        );
        assert_eq!(
            verdict(&with(&[1000.0]), "growth, write", ""),
            Verdict::Unknown
        );
        assert_eq!(
            verdict(&with(&[1000.0, 1000.0]), "growth, read", ""),
            Verdict::Unknown
        );
    }

    #[test]
    fn memory_counts_by_what_says_more() {
        let topic = |measure| Topic {
            mode: Mode::Growth,
            measure,
            unit: Unit::Bytes,
        };
        let at = Point {
            count: Some(1_000_000),
            ..Point::default()
        };
        let with = |charged, free| {
            results(vec![
                series(topic(growth::CHARGED), OURS, at, charged),
                series(topic(growth::FREE), OURS, at, free),
            ])
        };
        assert_eq!(verdict(&with(120.0, 128.0), "memory", ""), Verdict::Met);
        assert_eq!(verdict(&with(120.0, 130.0), "memory", ""), Verdict::Missed);
        assert_eq!(verdict(&with(130.0, 120.0), "memory", ""), Verdict::Missed);
    }
}
