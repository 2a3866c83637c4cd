// SPDX-License-Identifier: GPL-2.0

//! Runs random programs against the loaded module, in a guest, as root.
//!
//!     fuzz [--seconds N] [--seed N] CLONE      fuzz; results go to CLONE/tests/target/fuzz
//!     fuzz --input FILE|FOLDER [--times N] CLONE
//!                                              run these programs, and say what each call returns
//!     fuzz --report CLONE                      on the host: what the last run has reached
//!     fuzz --show FILE...                      what programs mean
//!
//! What runs in the guest prints TAP, and fails when the kernel complains, when a process does not
//! die, when room in a group is lost, or when the module can be unloaded while it is in use.

mod campaign;
mod child;
mod corpus;
mod coverage;
mod exec;
mod groups;
mod kcov;
#[path = "../../vm/src/kernel_log.rs"]
#[expect(dead_code, reason = "the tests in the VM use more of it")]
mod kernel_log;
mod machine;
mod memory;
mod mutate;
mod op;
mod program;
#[cfg(test)]
mod program_test;
mod recent;
mod report;
mod sites;
mod slow;
mod values;

use campaign::Campaign;
use machine::Machine;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// What was asked for.
struct Options {
    seconds: u64,
    seed: u64,
    input: Option<PathBuf>,
    times: u64,
    report: bool,
    show: bool,
    paths: Vec<PathBuf>,
}

fn options() -> Result<Options, String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut options = Options {
        seconds: 600,
        seed: now.map_or(0, |now| now.as_nanos() as u64),
        input: None,
        times: 1,
        report: false,
        show: false,
        paths: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number = |text: String| text.parse().map_err(|err| format!("{text}: {err}"));
        match argument.as_str() {
            "--seconds" => options.seconds = number(value()?)?,
            "--seed" => options.seed = number(value()?)?,
            "--input" => options.input = Some(value()?.into()),
            "--times" => options.times = number(value()?)?,
            "--report" => options.report = true,
            "--show" => options.show = true,
            path => options.paths.push(path.into()),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    if arguments.nth(1).as_deref() == Some(exec::EXECUTED) {
        exec::executed(&arguments.next().unwrap_or_default());
        return ExitCode::SUCCESS;
    }
    match options().and_then(|options| start(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(what) => {
            eprintln!("fuzz: error: {what}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: &Options) -> Result<bool, String> {
    if options.show {
        for path in &options.paths {
            print!("{}", corpus::read(path)?.to_text());
        }
        return Ok(true);
    }
    let [clone] = &options.paths[..] else {
        return Err("where is the clone?".to_owned());
    };
    let tests = clone.join("tests");
    let out = tests.join("target/fuzz");
    if options.report {
        return report::print(&clone.join("groups.ko"), &out).map(|()| true);
    }

    exec::quieten_signals();
    child::adopt_orphans();
    memory::map_all().map_err(|err| format!("mapping memory: {err}"))?;
    if !exec::has_compat() {
        eprintln!("fuzz: this kernel has no 32-bit system calls: they are left out");
    }
    let machine = Machine::new(clone.join("groups.ko"))?;
    println!("1..1");
    let (found, name) = match &options.input {
        Some(input) => replay(machine, input, options.times)?,
        None => fuzz(machine, &tests, &out, options)?,
    };
    match &found {
        Ok(()) => println!("ok 1 - {name}"),
        Err(what) => {
            for line in what.lines() {
                println!("# {line}");
            }
            println!("not ok 1 - {name}");
        }
    }
    Ok(found.is_ok())
}

type Finding = Result<(), String>;

fn fuzz(
    machine: Machine,
    tests: &Path,
    out: &Path,
    options: &Options,
) -> Result<(Finding, String), String> {
    eprintln!("fuzz: --seed {}", options.seed);
    let corpora = [tests.join("fuzz/corpus"), out.join("corpus")];
    let mut campaign = Campaign::new(machine, out, options.seed)?;
    let found = campaign.run(&corpora, Duration::from_secs(options.seconds));
    if found.is_err() {
        println!("# the programs that ran last: tests/target/fuzz/finding");
    }
    Ok((found, campaign.summary()))
}

fn replay(mut machine: Machine, input: &Path, times: u64) -> Result<(Finding, String), String> {
    let files = corpus::files(input).map_err(|err| format!("{}: {err}", input.display()))?;
    machine.shared.traces = true;
    let mut found = Ok(());
    let mut ran = 0u64;
    'times: for _ in 0..times {
        for file in &files {
            eprintln!("{}", file.display());
            let program = corpus::read(file)?;
            ran += 1;
            let run = machine.run(&program).and_then(|_| machine.check());
            if let Err(what) = run {
                found = Err(format!("{}: {what}", file.display()));
                break 'times;
            }
        }
    }
    Ok((found, format!("{ran} programs that were given do no harm")))
}
