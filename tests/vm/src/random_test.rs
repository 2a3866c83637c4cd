// SPDX-License-Identifier: GPL-2.0

//! Random programs, each of whose calls does what the model of the contract says.

use crate::calls::now_ns;
use crate::harness::{Test, soak, work};
use crate::runner::Runner;
use crate::test;
use model::program::{parse, print};
use std::process::ExitCode;
use std::time::Instant;

pub const TESTS: &[Test] = &[test!(random_programs_do_what_the_model_says)
    .seconds(400)
    .soaks()];

/// How many calls there have to be.
const CALLS: usize = 100_000;

/// What the first program is made from; each one after it, from the next number.
fn seed() -> u64 {
    match std::env::var("GROUPS_TEST_SEED") {
        Ok(seed) => seed.parse().expect("GROUPS_TEST_SEED is a number"),
        // Easy to type.
        Err(_) => now_ns() % 1_000_000_000,
    }
}

fn random_programs_do_what_the_model_says() {
    let start = Instant::now();
    let runner = Runner::new();
    let first = seed();
    let mut number = 0;
    while runner.calls() < work(CALLS) || start.elapsed() < soak() {
        let seed = first + number;
        if let Err((program, problem)) = runner.run_or_shrink(&runner.program(seed)) {
            panic!("{}", report(seed, &program, &problem));
        }
        number += 1;
    }
    println!(
        "{number} programs from seed {first}, {} calls",
        runner.calls()
    );
    runner.tally().iter().for_each(|line| println!("{line}"));
}

fn report(seed: u64, program: &[model::call::Call], problem: &str) -> String {
    format!(
        "the program of seed {seed}, without what it does not need (make replay SEED={seed}, or \
         PROGRAM=FILE with these lines), and with what clears up behind it:\n{}# fails at\n{problem}",
        print(program)
    )
}

/// Runs one program once more, of this seed or in this file, and shows each call beside what the
/// model says. If it fails, what it can be reduced to is shown in the same way.
pub fn replay(what: &str) -> ExitCode {
    let runner = Runner::new();
    let show = |line: &str| println!("{line}");
    let seed = what.parse().ok();
    let program = match seed {
        Some(seed) => runner.program(seed),
        None => match std::fs::read_to_string(what).map(|text| parse(&text)) {
            Ok(Ok(program)) => program,
            Ok(Err(problem)) => {
                eprintln!("{what}: {problem}");
                return ExitCode::from(2);
            }
            Err(err) => {
                eprintln!("{what}: {err}");
                return ExitCode::from(2);
            }
        },
    };
    let Err(_) = runner.run(&program, Some(&show)) else {
        println!("# it does what the model says");
        return ExitCode::SUCCESS;
    };
    if let Err((program, _)) = runner.run_or_shrink(&program) {
        println!("# without what is not needed for going wrong:");
        let _ = runner.run(&program, Some(&show));
    }
    ExitCode::FAILURE
}
