// SPDX-License-Identifier: GPL-2.0

//! The loop: run programs, keep those that reach something new, and make others of them.

use crate::corpus::{self, Input};
use crate::coverage::Coverage;
use crate::machine::Machine;
use crate::mutate;
use crate::program::Program;
use crate::recent::Recent;
use fastrand::Rng;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is said how far it has come.
const TELL: Duration = Duration::from_secs(10);
/// How many attempts are made to make an input shorter.
const SHORTENINGS: usize = 12;
/// How many inputs are kept when it cannot be seen which are better than others.
const UNGUIDED: usize = 200;

pub struct Campaign {
    machine: Machine,
    /// Where results go.
    out: PathBuf,
    recent: Recent,
    rng: Rng,
    inputs: Vec<Input>,
    all: Coverage,
    ran: u64,
    begin: Instant,
    told: Instant,
}

fn explain<T>(path: &Path, result: io::Result<T>) -> Result<T, String> {
    result.map_err(|err| format!("{}: {err}", path.display()))
}

impl Campaign {
    pub fn new(machine: Machine, out: &Path, seed: u64) -> Result<Self, String> {
        let recent = out.join("recent");
        explain(out, fs::create_dir_all(out.join("corpus")))?;
        Ok(Self {
            machine,
            out: out.to_owned(),
            recent: explain(&recent, Recent::new(&recent))?,
            rng: Rng::with_seed(seed),
            inputs: Vec::new(),
            all: Coverage::default(),
            ran: 0,
            begin: Instant::now(),
            told: Instant::now(),
        })
    }

    /// Runs what there is in these folders, and then new programs, for so long. An error says
    /// what was found; the programs that ran last are then in `finding`.
    pub fn run(&mut self, corpora: &[PathBuf], time: Duration) -> Result<(), String> {
        let found = self.run_all(corpora, time);
        if found.is_err() {
            let folder = self.out.join("finding");
            explain(&folder, self.recent.copy(self.ran, &folder))?;
        }
        self.tell();
        self.write_results()?;
        found
    }

    fn run_all(&mut self, corpora: &[PathBuf], time: Duration) -> Result<(), String> {
        for folder in corpora.iter().filter(|folder| folder.exists()) {
            for file in explain(folder, corpus::files(folder))? {
                self.try_out(corpus::read(&file)?)?;
            }
        }
        eprintln!(
            "fuzz: {} inputs are kept of those that there were",
            self.inputs.len()
        );
        while self.begin.elapsed() < time {
            let program = self.next_program();
            self.try_out(program)?;
            if self.told.elapsed() > TELL {
                self.tell();
            }
        }
        self.machine.finish()
    }

    fn next_program(&mut self) -> Program {
        let len = self.inputs.len();
        if len == 0 || self.rng.u8(..8) == 0 {
            return mutate::random(&mut self.rng);
        }
        // Half of the time one of those that were found last.
        let from = if self.rng.bool() {
            len.saturating_sub(20)
        } else {
            0
        };
        let mut parent = self.rng.usize(from..len);
        if !self.inputs[parent].ends {
            // Those that have to be killed are slow: rather not, but not never.
            parent = self.rng.usize(from..len);
        }
        let parents = [parent, self.rng.usize(..len)];
        let parents = parents.map(|parent| &self.inputs[parent].program);
        mutate::mutate(&parents, &mut self.rng)
    }

    /// Runs a program once.
    fn run_once(&mut self, program: Program) -> Result<Input, String> {
        self.ran += 1;
        explain(&self.out, self.recent.note(self.ran, &program))?;
        let (coverage, ends) = self.machine.run(&program)?;
        Ok(Input {
            program,
            coverage,
            ends,
        })
    }

    /// Runs a program, and keeps it if it reaches something new.
    fn try_out(&mut self, program: Program) -> Result<(), String> {
        let input = self.run_once(program)?;
        if input.coverage.beyond(&self.all) != (0, 0) {
            let input = self.shorten(input)?;
            self.all.add(&input.coverage);
            let folder = self.out.join("corpus");
            explain(&folder, corpus::write(&folder, &input.program))?;
            self.inputs.push(input);
        } else if !self.machine.is_guided() {
            // Whatever runs is as good as anything else.
            if self.inputs.len() >= UNGUIDED {
                let old = self.rng.usize(..self.inputs.len());
                self.inputs.swap_remove(old);
            }
            self.inputs.push(input);
        }
        Ok(())
    }

    /// Leaves out of an input what is not needed to reach what it is the first to reach.
    fn shorten(&mut self, mut input: Input) -> Result<Input, String> {
        let new = input.coverage.without(&self.all);
        let mut attempts = 0;
        let mut chunk = input.program.calls.len() / 2;
        while chunk > 0 && attempts < SHORTENINGS {
            let mut found = false;
            for shorter in mutate::shorter(&input.program.clone(), chunk) {
                attempts += 1;
                let shorter = self.run_once(shorter)?;
                if new.beyond(&shorter.coverage) == (0, 0) {
                    input = shorter;
                    found = true;
                    break;
                }
                if attempts >= SHORTENINGS {
                    break;
                }
            }
            if !found {
                chunk /= 2;
            }
            chunk = chunk.min(input.program.calls.len() / 2);
        }
        Ok(input)
    }

    /// Says how far it has come.
    fn tell(&mut self) {
        self.told = Instant::now();
        let seconds = self.begin.elapsed().as_secs_f64();
        let mut line = format!(
            "fuzz: {seconds:.0} s: {} programs ({:.1}/s), {} calls, {} inputs",
            self.ran,
            self.ran as f64 / seconds.max(0.001),
            self.machine.shared.calls(),
            self.inputs.len(),
        );
        if self.machine.is_guided() {
            let (reached, places) = (self.all.places(), self.machine.shared.sites.len());
            let percent = reached as f64 * 100.0 / places as f64;
            let steps = self.all.steps();
            let text = format!(", {reached} of {places} places ({percent:.1} %), {steps} steps");
            line += &text;
        }
        println!("{line}");
        let path = self.out.join("progress.txt");
        let said = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::write(&path, said + &line + "\n");
    }

    /// What ran, as a TAP test's name has it.
    pub fn summary(&self) -> String {
        let seconds = self.begin.elapsed().as_secs();
        let calls = self.machine.shared.calls();
        let ran = self.ran;
        format!("{ran} random programs with {calls} calls in {seconds} s do no harm")
    }

    /// Writes which places were reached, for `report`, and the minimised corpus.
    fn write_results(&self) -> Result<(), String> {
        if !self.machine.is_guided() {
            return Ok(());
        }
        let mut text = String::new();
        for (place, (section, offset)) in self.machine.shared.sites.iter().enumerate() {
            let how = if self.all.has_place(place) {
                "programs"
            } else if self.machine.lifecycle.has_place(place) {
                "lifecycle"
            } else {
                "never"
            };
            writeln!(text, "{section} {offset:#x} {how}").expect("a string grows");
        }
        let places = self.out.join("places.txt");
        explain(&places, fs::write(&places, text))?;
        let folder = self.out.join("minimised");
        let _ = fs::remove_dir_all(&folder);
        explain(&folder, fs::create_dir_all(&folder))?;
        for input in corpus::minimise(&self.inputs) {
            explain(&folder, corpus::write(&folder, &input.program))?;
        }
        Ok(())
    }
}
