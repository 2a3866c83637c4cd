// SPDX-License-Identifier: GPL-2.0

//! The guest's kernel with the module: loads it, runs programs on it, and sees whether all is
//! well afterwards.

use crate::child::{self, Shared};
use crate::coverage::Coverage;
use crate::groups::{self, Groups};
use crate::kcov::Buffer;
use crate::kernel_log::KernelLog;
use crate::op::Op;
use crate::program::Program;
use crate::sites::Sites;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// After so many programs the module is loaded anew.
const RELOAD: u64 = 1000;
/// After so many programs it is seen whether any room was lost.
const CHECK: u64 = 50;

pub struct Machine {
    module: PathBuf,
    pub shared: Shared,
    /// Traces this process, while it loads and unloads the module.
    tracer: Option<Buffer>,
    groups: Groups,
    log: KernelLog,
    ran: u64,
    /// What loading and unloading reach.
    pub lifecycle: Coverage,
}

impl Machine {
    /// Loads the module. Says on standard error whether it can be seen what programs reach.
    pub fn new(module: PathBuf) -> Result<Self, String> {
        let sites = Sites::read(&module)?;
        let tracer = match Buffer::new() {
            Ok(_) if sites.len() == 0 => {
                eprintln!("fuzz: groups.ko was not built for KCOV: programs are not guided");
                None
            }
            Ok(tracer) => Some(tracer),
            Err(err) => {
                eprintln!("fuzz: this kernel has no KCOV ({err}): programs are not guided");
                None
            }
        };
        let shared = Shared::new(sites, tracer.is_some());
        let mut shared = shared.map_err(|err| format!("KCOV: {err}"))?;
        groups::unload()?;
        groups::load(&module)?;
        if tracer.is_some() {
            shared.sites.locate()?;
        }
        let mut machine = Self {
            module,
            shared,
            tracer,
            groups: Groups::install()?,
            log: KernelLog::from_now(),
            ran: 0,
            lifecycle: Coverage::default(),
        };
        machine.reload()?;
        Ok(machine)
    }

    /// Whether it can be seen what programs reach.
    pub fn is_guided(&self) -> bool {
        self.tracer.is_some()
    }

    /// Runs a program, and says what it reached and whether it ended by itself. An error: something
    /// went wrong, with this or with an earlier one.
    pub fn run(&mut self, program: &Program) -> Result<(Coverage, bool), String> {
        let ended = child::run(program, &self.shared)?;
        let coverage = Coverage::of(self.shared.reached());
        self.ran += 1;
        if self.ran % RELOAD == 0 {
            self.reload()?;
        } else if self.ran % CHECK == 0 {
            self.check()?;
        } else if program.has(Op::Sysfs) {
            self.groups.reset()?;
        } else {
            self.groups.empty()?;
        }
        self.listen()?;
        Ok((coverage, ended))
    }

    /// Sees whether all that programs took was given back.
    pub fn check(&mut self) -> Result<(), String> {
        self.groups.reset()?;
        self.groups.check_room()?;
        self.listen()
    }

    /// Unloads the module, and sees whether it has left any memory behind, if the kernel looks for
    /// that (kmemleak).
    pub fn finish(&mut self) -> Result<(), String> {
        self.check()?;
        self.groups = Groups::none();
        groups::unload()?;
        let leaks = leaks()?;
        self.listen()?;
        match leaks.as_str() {
            "" => Ok(()),
            leaks => Err(format!("memory was leaked:\n{leaks}")),
        }
    }

    /// Whether the kernel has complained since the last time.
    fn listen(&mut self) -> Result<(), String> {
        let lines = self.log.lines();
        match lines.iter().find(|line| line.is_alarming()) {
            Some(line) => Err(format!("the kernel says: {}", line.text)),
            None => Ok(()),
        }
    }

    /// Unloads the module and loads it again: so no program sees the groups of more than some
    /// hundred others.
    fn reload(&mut self) -> Result<(), String> {
        self.groups.reset()?;
        self.groups.check_room()?;
        // Nobody has it open now.
        self.groups = Groups::none();
        if let Some(tracer) = self.tracer {
            let _ = tracer.enable();
            let unloaded = groups::unload();
            self.note_lifecycle();
            unloaded?;
            let loaded = groups::load(&self.module);
            self.shared.sites.locate()?;
            self.note_lifecycle();
            tracer.disable();
            loaded?;
        } else {
            groups::unload()?;
            groups::load(&self.module)?;
        }
        self.groups = Groups::install()?;
        Ok(())
    }

    fn note_lifecycle(&mut self) {
        if let Some(tracer) = &self.tracer {
            let sites = &self.shared.sites;
            let places = tracer.take().filter_map(|address| sites.find(address));
            self.lifecycle.add_places(places);
        }
    }
}

/// What kmemleak finds. It takes nothing for leaked that is younger than 5 seconds, or that has
/// changed since it was looked at last.
fn leaks() -> Result<String, String> {
    let file = Path::new("/sys/kernel/debug/kmemleak");
    if !file.exists() {
        return Ok(String::new());
    }
    std::thread::sleep(Duration::from_secs(6));
    let leaks = (0..2).try_for_each(|_| fs::write(file, "scan"));
    let leaks = leaks.and_then(|()| fs::read_to_string(file));
    leaks.map_err(|err| format!("kmemleak: {err}"))
}
