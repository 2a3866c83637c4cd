// SPDX-License-Identifier: GPL-2.0

//! The tables: what is in which row and column.

use super::table::Table;
use super::{number, unit, value};
use crate::contestants::{FLOOR, OURS};
use crate::machine::Execution;
use crate::modes::{delay, delayed, growth, install, many, pair, ping_pong, wake_up};
use crate::results::{Mode, Point, Results, Topic, Unit, Waiting};
use crate::targets::{self, Verdict, best_other};

const NONE: &str = "–";

/// All that go to the terminal, with the name that each has on the page.
pub fn all(results: &Results) -> Vec<(&'static str, Vec<Table>)> {
    vec![
        ("machine", vec![machine(results)]),
        ("pair", pairs(results)),
        ("many-yield", vec![many(results, Waiting::Yield)]),
        ("many-block", vec![many(results, Waiting::Block)]),
        ("ping-pong", ping_pongs(results)),
        ("wake-up", wake_ups(results)),
        (
            "growth",
            vec![
                by_count(results, results.topic(Mode::Growth, growth::SEND), "Write"),
                by_count(
                    results,
                    results.topic(Mode::Growth, growth::RECEIVE),
                    "Read",
                ),
                growing(results),
            ],
        ),
        (
            "delayed",
            vec![ours_by_count(
                results,
                Mode::Delayed,
                "messages",
                "Delayed messages, for each",
                &[delayed::SEND, delayed::REVOKE, delayed::FLUSH],
            )],
        ),
        (
            "install",
            vec![ours_by_count(
                results,
                Mode::Install,
                "groups",
                "INSTALL_GROUP",
                &[install::FIND, install::MAKE],
            )],
        ),
        ("memory", vec![memory(results)]),
        ("delay", vec![delays(results)]),
        ("targets", vec![targets(results)]),
    ]
}

fn head<'a>(first: &str, rest: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let rest = rest.into_iter().map(str::to_owned);
    std::iter::once(first.to_owned()).chain(rest).collect()
}

/// A median, or a dash.
fn cell(results: &Results, topic: Topic, contestant: &str, at: Point) -> String {
    let median = results.median(topic, contestant, at);
    median.map_or_else(|| NONE.into(), |median| value(median, topic.unit))
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| NONE.into(), |ratio| format!("{ratio:.2} ×"))
}

fn count(at: Point) -> String {
    number(at.count.unwrap_or(0) as f64)
}

/// "1,234 (1,200 to 1,300)"
fn with_quartiles(results: &Results, topic: Topic, contestant: &str, at: Point) -> String {
    results.summary(topic, contestant, at).map_or_else(
        || NONE.into(),
        |summary| {
            let [low, median, high] = [
                summary.first_quartile,
                summary.median,
                summary.third_quartile,
            ]
            .map(|v| value(v, topic.unit));
            format!("{median} ({low} to {high})")
        },
    )
}

/// On what was measured.
pub fn machine(results: &Results) -> Table {
    let mut table = Table::new("Machine", head("", ["what was measured there"])).of_words();
    let mut row = |name: &str, value: String| table.rows.push(vec![name.into(), value]);
    for run in &results.runs {
        let machine = &run.machine;
        let how = match machine.execution {
            Execution::Metal => "this machine itself",
            Execution::Virtual => "a guest with hardware virtualization (KVM)",
            Execution::Emulated => "an emulated guest (QEMU's TCG): ratios count, seconds do not",
            Execution::Counted => "an emulated guest that counts instructions (QEMU's icount)",
        };
        let mut modes: Vec<_> = run.series.iter().map(|series| series.mode).collect();
        modes.dedup_by_key(|mode| format!("{mode:?}"));
        let modes: Vec<_> = modes.iter().map(|mode| mode_name(*mode)).collect();
        row(
            &format!("{how}, {} CPU", machine.processors),
            modes.join(", "),
        );
    }
    if let Some(run) = results.runs.first() {
        let machine = &run.machine;
        row(
            "processor",
            format!("{}, {} cores", machine.processor, machine.host_processors),
        );
        row("kernel", machine.kernel.clone());
        row(
            "its compilers",
            format!("{}; {}", machine.c_compiler, machine.rust_compiler),
        );
    }
    table
}

fn mode_name(mode: Mode) -> String {
    use clap::ValueEnum;
    let value = mode.to_possible_value();
    value
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

fn pairs(results: &Results) -> Vec<Table> {
    let units = [Unit::Instructions, Unit::Nanoseconds].into_iter();
    let topics = units.map(|unit| Topic {
        mode: Mode::Pair,
        measure: pair::MEASURE,
        unit,
    });
    topics
        .filter(|&topic| !results.points(topic).is_empty())
        .map(|topic| pair_table(results, topic))
        .collect()
}

/// One message sent and received.
pub fn pair_table(results: &Results, topic: Topic) -> Table {
    let points = results.points(topic);
    let mut columns = Vec::new();
    for at in &points {
        columns.push(format!("{} bytes", number(at.bytes.unwrap_or(0) as f64)));
        columns.push("by the floor".into());
        columns.push("quartiles apart".into());
    }
    let title = format!(
        "One message sent and received by one thread, in {}",
        unit(topic.unit)
    );
    let mut table = Table::new(title, head("", columns.iter().map(String::as_str)));
    for name in results.contestants(topic) {
        let mut row = vec![name.to_owned()];
        for &at in &points {
            let summary = results.summary(topic, name, at);
            let floor = results.median(topic, FLOOR.name, at);
            row.push(cell(results, topic, name, at));
            row.push(times(
                summary
                    .zip(floor)
                    .map(|(summary, floor)| summary.median / floor),
            ));
            row.push(
                summary.map_or_else(|| NONE.into(), |s| format!("{:.1} %", 100.0 * s.spread())),
            );
        }
        table.rows.push(row);
    }
    table
}

fn many(results: &Results, waiting: Waiting) -> Table {
    let topic = Topic {
        mode: Mode::Many,
        measure: many::MEASURE,
        unit: Unit::MessagesPerSecond,
    };
    let others = results
        .contestants(topic)
        .into_iter()
        .filter(|&name| name != OURS);
    let others: Vec<_> = others.collect();
    let how = match waiting {
        Waiting::Yield => "yielding when there is nothing or no room",
        Waiting::Block => "blocking",
    };
    let mut columns = vec!["groups (quartiles)"];
    columns.extend(&others);
    columns.push("groups by the best other");
    let title = format!("Messages delivered, {how}, {}", unit(topic.unit));
    let mut table = Table::new(title, head("threads, bytes", columns));
    for at in results.points(topic) {
        if at.waiting != Some(waiting) {
            continue;
        }
        let (threads, bytes) = (at.threads.unwrap_or(0), at.bytes.unwrap_or(0));
        let mut row = vec![format!("{threads}, {}", number(bytes as f64))];
        row.push(with_quartiles(results, topic, OURS, at));
        row.extend(others.iter().map(|name| cell(results, topic, name, at)));
        let ratio = results
            .median(topic, OURS, at)
            .zip(best_other(results, topic, at));
        row.push(times(ratio.map(|(ours, (_, best))| ours / best)));
        table.rows.push(row);
    }
    table
}

fn ping_pongs(results: &Results) -> Vec<Table> {
    let units = [Unit::Nanoseconds, Unit::Instructions].into_iter();
    let topics = units.map(|unit| {
        ping_pong::MEASURES.map(|(measure, _)| Topic {
            mode: Mode::PingPong,
            measure,
            unit,
        })
    });
    topics
        .filter(|[median, ..]| !results.points(*median).is_empty())
        .map(|topics| ping_pong(results, topics))
        .collect()
}

fn ping_pong(results: &Results, topics: [Topic; 3]) -> Table {
    let [median, ..] = topics;
    let title = format!(
        "A message and its answer, between two processes, in {}",
        unit(median.unit)
    );
    let mut table = Table::new(
        title,
        head("", ["median (quartiles of rounds)", "99 %", "99.9 %"]),
    );
    let at = results.points(median).first().copied().unwrap_or_default();
    for name in results.contestants(median) {
        let mut row = vec![name.to_owned(), with_quartiles(results, median, name, at)];
        row.extend(
            topics[1..]
                .iter()
                .map(|&topic| cell(results, topic, name, at)),
        );
        table.rows.push(row);
    }
    table
}

fn wake_ups(results: &Results) -> Vec<Table> {
    let units = [Unit::Nanoseconds, Unit::Instructions].into_iter();
    let topics = units.map(|unit| Topic {
        mode: Mode::WakeUp,
        measure: wake_up::MEASURE,
        unit,
    });
    topics
        .filter(|&topic| !results.points(topic).is_empty())
        .map(|topic| by_count_of(results, topic, "Until the last sleeper runs", "sleepers"))
        .collect()
}

fn by_count(results: &Results, topic: Topic, what: &str) -> Table {
    by_count_of(results, topic, what, "queued messages")
}

/// A row for each count, a column for each contestant.
fn by_count_of(results: &Results, topic: Topic, what: &str, of: &str) -> Table {
    let names = results.contestants(topic);
    let title = format!("{what}, {}", unit(topic.unit));
    let mut table = Table::new(title, head(of, names.iter().copied()));
    for at in results.points(topic) {
        let mut row = vec![count(at)];
        row.extend(names.iter().map(|name| cell(results, topic, name, at)));
        table.rows.push(row);
    }
    table
}

/// What our queue costs on average while it grows and shrinks.
fn growing(results: &Results) -> Table {
    ours_by_count(
        results,
        Mode::Growth,
        "messages",
        "Groups, mean of a message while the queue grows from none, and shrinks to none",
        &[growth::FILL, growth::DRAIN],
    )
}

/// A row for each count, a column for each measure, ours alone.
fn ours_by_count(
    results: &Results,
    mode: Mode,
    of: &str,
    what: &str,
    measures: &[&'static str],
) -> Table {
    let topics: Vec<_> = measures
        .iter()
        .map(|measure| results.topic(mode, measure))
        .collect();
    let in_what = topics.first().map_or("", |topic| unit(topic.unit));
    let mut table = Table::new(
        format!("{what}, {in_what}"),
        head(of, measures.iter().copied()),
    );
    for at in topics
        .first()
        .map(|&topic| results.points(topic))
        .unwrap_or_default()
    {
        let Some(topic) = topics.first() else { break };
        if results.median(*topic, OURS, at).is_none() {
            continue;
        }
        let mut row = vec![count(at)];
        row.extend(topics.iter().map(|&topic| cell(results, topic, OURS, at)));
        table.rows.push(row);
    }
    table
}

fn memory(results: &Results) -> Table {
    let topic = |measure| Topic {
        mode: Mode::Growth,
        measure,
        unit: Unit::Bytes,
    };
    let topics = [topic(growth::CHARGED), topic(growth::FREE)];
    let title = "Memory of a queued message of 64 bytes, with its payload";
    let columns = [
        "queued messages",
        "charged to the cgroup",
        "less free memory",
    ];
    let mut table = Table::new(title, head("", columns));
    for name in results.contestants(topics[0]) {
        for at in results.points(topics[0]) {
            if results.median(topics[0], name, at).is_none() {
                continue;
            }
            let mut row = vec![name.to_owned(), count(at)];
            row.extend(topics.iter().map(|&topic| cell(results, topic, name, at)));
            table.rows.push(row);
        }
    }
    table
}

fn delays(results: &Results) -> Table {
    let topics = delay::MEASURES.map(|(measure, _)| Topic {
        mode: Mode::Delay,
        measure,
        unit: Unit::Nanoseconds,
    });
    let [median, ..] = topics;
    let title = format!(
        "Lateness of a message with a delay of 10 ms, and of a timer, in {}",
        unit(median.unit)
    );
    let mut table = Table::new(title, head("", ["busy threads", "median", "99 %", "most"]));
    for at in results.points(median) {
        for name in results.contestants(median) {
            let mut row = vec![name.to_owned(), number(at.threads.unwrap_or(0) as f64)];
            row.extend(topics.iter().map(|&topic| cell(results, topic, name, at)));
            table.rows.push(row);
        }
    }
    table
}

fn targets(results: &Results) -> Table {
    let mut table = Table::new("Targets", head("figure", ["target", "measured", ""])).of_words();
    for target in targets::all(results) {
        let verdict = match target.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "**not met**",
            Verdict::Unknown => "not measured",
        };
        table.rows.push(vec![
            target.figure,
            target.wanted.into(),
            target.measured,
            verdict.into(),
        ]);
    }
    table
}

/// The one table that the README has.
pub fn summary(results: &Results) -> Table {
    let pair = Topic {
        mode: Mode::Pair,
        measure: pair::MEASURE,
        unit: Unit::Instructions,
    };
    let many = Topic {
        mode: Mode::Many,
        measure: many::MEASURE,
        unit: Unit::MessagesPerSecond,
    };
    let (median, _) = ping_pong::MEASURES[0];
    let trip = Topic {
        mode: Mode::PingPong,
        measure: median,
        unit: Unit::Nanoseconds,
    };
    let sized = |bytes| Point {
        bytes: Some(bytes),
        ..Point::default()
    };
    let four = Point {
        threads: Some(4),
        bytes: Some(1000),
        waiting: Some(Waiting::Block),
        count: None,
    };
    let columns = [
        "instructions, 64 bytes",
        "1024 bytes",
        "messages a second, thousands",
        "there and back, µs",
    ];
    let mut table = Table::new("What a message costs", head("", columns));
    for name in results.contestants(pair) {
        let shown = if name == OURS {
            format!("**{name}**")
        } else {
            name.to_owned()
        };
        table.rows.push(vec![
            shown,
            cell(results, pair, name, sized(64)),
            cell(results, pair, name, sized(1024)),
            cell(results, many, name, four),
            cell(results, trip, name, sized(64)),
        ]);
    }
    table
}
