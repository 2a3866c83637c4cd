// SPDX-License-Identifier: GPL-2.0

//! Measures groups beside what the kernel has otherwise: see docs/performance.md, and run.sh, which
//! runs this in guests.

mod barriers;
mod contestants;
mod gate;
mod machine;
mod memory;
mod modes;
mod output;
mod plan;
mod progress;
mod results;
mod stats;
mod targets;
mod threads;
mod tuning;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use gate::{Record, Verdict};
use machine::Machine;
use modes::{Bench, pair};
use output::{csv, curves, heat_map, page, picture, tables};
use plan::Plan;
use progress::{Progress, Style};
use results::{Mode, Results, Run, Topic, Unit, Waiting};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Measures groups beside what the kernel has otherwise.
#[derive(Parser)]
#[command(version = None)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Measures, here and now, as root and with the module loaded.
    Measure {
        /// The experiments, in this order.
        #[arg(long, value_enum, value_delimiter = ',', required = true)]
        modes: Vec<Mode>,
        /// The file that gets the results.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        options: Options,
    },
    /// Makes tables, files, pictures and pages of results.
    Report {
        /// Files that `measure` wrote.
        #[arg(required = true)]
        results: Vec<PathBuf>,
        /// The folder for results.json, results.csv and the pictures.
        #[arg(long)]
        out: PathBuf,
        /// Pages whose generated parts are brought up to date.
        #[arg(long)]
        page: Vec<PathBuf>,
    },
    /// Fails if pair took more instructions than are on record. Prints TAP.
    Gate {
        /// Files that `measure` wrote.
        #[arg(required = true)]
        results: Vec<PathBuf>,
        /// The record.
        #[arg(long)]
        record: PathBuf,
        /// Puts what was measured on record.
        #[arg(long)]
        write: bool,
    },
    /// Prints the name of the gate's test.
    GateName,
}

#[derive(Args)]
struct Options {
    /// The emulator counts instructions: a nanosecond is one.
    #[arg(long)]
    icount: bool,
    /// Only enough to see that it works.
    #[arg(long)]
    quick: bool,
    /// How it says how far it is.
    #[arg(long, value_enum, default_value = "lines")]
    progress: Style,
}

const GATE: &str = "messages_cost_no_more_instructions_than_on_record";

fn main() -> Result<ExitCode> {
    match Command::parse().action {
        Action::Measure {
            modes,
            out,
            options,
        } => measure(&modes, &options, &out)?,
        Action::Report { results, out, page } => report(&Results::read(&results)?, &out, &page)?,
        Action::Gate {
            results,
            record,
            write,
        } => return run_gate(&Results::read(&results)?, &record, write),
        Action::GateName => println!("{GATE}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs experiments on this machine.
fn measure(modes: &[Mode], options: &Options, out: &Path) -> Result<()> {
    let _restore = tuning::Restore;
    let machine = Machine::here(options.icount);
    let run = Run {
        machine,
        quick: options.quick,
        series: Vec::new(),
    };
    let progress = Progress::new(options.progress);
    // What the machine did before may go on for a while.
    std::thread::sleep(Duration::from_secs(3));
    let start = Instant::now();
    let mut results = Results { runs: vec![run] };
    for &mode in modes {
        let mut bench = Bench {
            plan: if options.quick {
                &Plan::QUICK
            } else {
                &Plan::FULL
            },
            run: &mut results.runs[0],
            progress: &progress,
            time: if options.icount {
                Unit::Instructions
            } else {
                Unit::Nanoseconds
            },
        };
        bench.run(mode).with_context(|| format!("{mode:?}"))?;
        // What is measured stays, whatever becomes of the rest.
        results.write(out)?;
    }
    progress.end();
    if !options.icount {
        eprintln!("bench: measured for {} s", start.elapsed().as_secs());
    }
    Ok(())
}

/// Prints tables, and writes everything else.
fn report(results: &Results, out: &Path, pages: &[PathBuf]) -> Result<()> {
    for (_, some) in tables::all(results) {
        for table in some {
            println!("{}", table.terminal().replace("**", ""));
        }
    }
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    results.write(&out.join("results.json"))?;
    csv::write(results, &out.join("results.csv"))?;
    pictures(results, out).context("pictures")?;
    let parts = page::parts(results);
    for path in pages {
        page::refresh(path, &parts)?;
    }
    Ok(())
}

fn pictures(results: &Results, out: &Path) -> Result<()> {
    picture::load_font()?;
    if heat_map::possible(results) {
        heat_map::contestants(results, Waiting::Yield, &out.join("many-yield.png"))?;
        heat_map::contestants(results, Waiting::Block, &out.join("many-block.png"))?;
        heat_map::ratios(results, &out.join("many-ratios.png"))?;
    }
    if curves::possible(results, Mode::Growth) {
        curves::growths(results, &out.join("growth.png"))?;
    }
    if curves::possible(results, Mode::WakeUp) {
        curves::wake_ups(results, &out.join("wake-up.png"))?;
    }
    Ok(())
}

/// Judges what pair took, as a test.
fn run_gate(results: &Results, path: &Path, write: bool) -> Result<ExitCode> {
    let topic = Topic {
        mode: Mode::Pair,
        measure: pair::MEASURE,
        unit: Unit::Instructions,
    };
    let key = results
        .runs
        .first()
        .map(|run| run.machine.key())
        .unwrap_or_default();
    let measured = gate::figures(results)?;
    let mut record = Record::read(path)?;

    println!("TAP version 14\n1..1");
    for line in tables::pair_table(results, topic).terminal().lines() {
        println!("# {line}");
    }
    println!("# {key}");
    for (bytes, now) in &measured {
        let before = record.get(&key).and_then(|figures| figures.get(bytes));
        let before = before.map_or_else(|| "nothing".into(), u64::to_string);
        println!("# {bytes} bytes: {now} instructions; on record: {before}");
    }
    let verdict = gate::judge(record.get(&key), &measured);
    if write {
        record.set(&key, measured);
        record.write(path)?;
        println!("# That is on record now, in {}.", path.display());
        println!("ok 1 - {GATE}");
        return Ok(ExitCode::SUCCESS);
    }
    let percent = 100.0 * gate::TOLERANCE;
    match verdict {
        Verdict::Unknown => {
            eprintln!("bench: NOTHING IS ON RECORD for {key}: `make bench-record` puts it there");
            println!("ok 1 - {GATE} # SKIP nothing is on record for {key}");
        }
        Verdict::Same => println!("ok 1 - {GATE}"),
        Verdict::Fewer => {
            println!("# Fewer by more than {percent} %: `make bench-record` puts that on record.");
            println!("ok 1 - {GATE}");
        }
        Verdict::More => {
            println!("# More by more than {percent} %. If that has to be: `make bench-record`.");
            println!("not ok 1 - {GATE}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
