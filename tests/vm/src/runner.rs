// SPDX-License-Identifier: GPL-2.0

//! Runs random programs, and compares the device with the model, call by call.

use crate::calls::now_ns;
use crate::group::{Group, fresh_id};
use crate::subject::Subject;
use model::call::{Access, Call, Limit, Memory, Message, Outcome};
use model::generate::programs;
use model::model::{GROUPS, Model, Registry};
use model::program::print;
use model::random;
use model::shrink::shrink;
use nix::sys::stat::{Mode, SFlag, major, makedev, mknod, stat};
use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::mem::{Discriminant, discriminant};
use std::path::PathBuf;

/// How many groups programs that fail may use up, for each spoils its own. The other tests need
/// some as well.
const SPOILABLE: usize = 1200;

/// How often a program is tried of which another part has gone wrong.
const TRIES: usize = 2;

/// The largest message that a program may leave behind.
const LARGEST: usize = 6000;

/// How long a message that is due is waited for at the end, in milliseconds.
const LONG_ENOUGH: i32 = 20_000;

/// Runs programs, one after the other.
pub struct Runner {
    programs: BoxedStrategy<Vec<Call>>,
    state: RefCell<State>,
}

struct State {
    /// `None` only while a program runs.
    registry: Option<Registry>,
    groups: Vec<Group>,
    spoiled: usize,
    nobody: PathBuf,
    calls: usize,
    tally: Tally,
}

/// What shows each call as it is made, if anything does.
type Trace<'a> = Option<&'a dyn Fn(&str)>;

/// How often calls of each kind succeeded with 0, with more, or failed.
#[derive(Default)]
struct Tally(HashMap<(Discriminant<Call>, i64), (String, u64)>);

impl Tally {
    fn add(&mut self, call: &Call, outcome: &Outcome) {
        let result = outcome
            .result
            .map_or_else(|errno| -(errno as i64), |value| value.min(1));
        let key = (discriminant(call), result);
        let name = || {
            let name = format!("{call:?}");
            let name = name.split([' ', '{']).next().unwrap_or_default();
            match outcome.result {
                Ok(0) => format!("{name} 0"),
                Ok(_) => format!("{name} more"),
                Err(errno) => format!("{name} {errno:?}"),
            }
        };
        self.0.entry(key).or_insert_with(|| (name(), 0)).1 += 1;
    }
}

impl Runner {
    pub fn new() -> Self {
        let max_groups = fs::read_to_string("/sys/module/groups/parameters/max_groups");
        let max_groups: u32 =
            max_groups.map_or(2000, |text| text.trim().parse().expect("a number"));
        // It may be there from an earlier run.
        let nobody = PathBuf::from(format!("/dev/no-group-{}", std::process::id()));
        let first = stat("/dev/group0").expect("/dev/group0");
        let number = makedev(major(first.st_rdev), u64::from(max_groups) - 1);
        mknod(
            &nobody,
            SFlag::S_IFCHR,
            Mode::from_bits_truncate(0o600),
            number,
        )
        .expect("mknod");
        let groups = vec![];
        let registry = Registry::new(1, max_groups, &fresh_id()[6..]);
        let mut state = State {
            registry: Some(registry),
            groups,
            spoiled: 0,
            nobody,
            calls: 0,
            tally: Tally::default(),
        };
        state.renew();
        Self {
            programs: programs(),
            state: RefCell::new(state),
        }
    }

    /// How many calls were made, those that clear up not counted.
    pub fn calls(&self) -> usize {
        self.state.borrow().calls
    }

    /// What calls came to, and how often, those that clear up included.
    pub fn tally(&self) -> Vec<String> {
        let tally = &self.state.borrow().tally.0;
        let mut lines: Vec<_> = tally
            .values()
            .map(|(name, count)| format!("{name}: {count}"))
            .collect();
        lines.sort_unstable();
        lines
    }

    /// The program that a seed makes.
    pub fn program(&self, seed: u64) -> Vec<Call> {
        let tree = self.programs.new_tree(&mut random::runner(seed));
        tree.expect("a program").current()
    }

    /// Runs a program. `Err`: where it went wrong.
    pub fn run(&self, program: &[Call], trace: Trace<'_>) -> Result<(), String> {
        self.state.borrow_mut().run(program, trace)
    }

    /// Runs a program. `Err`: what is left of it when everything is left out that is not needed for
    /// going wrong, and where that goes wrong.
    pub fn run_or_shrink(&self, program: &[Call]) -> Result<(), (Vec<Call>, String)> {
        let Err(mut problem) = self.run(program, None) else {
            return Ok(());
        };
        let program = shrink(program, |program| {
            // Some go wrong not every time.
            let mut problems = (0..TRIES).filter_map(|_| self.run(program, None).err());
            let found = problems.next();
            let is_found = found.is_some();
            problem = found.unwrap_or(std::mem::take(&mut problem));
            is_found
        });
        Err((program, problem))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.nobody);
    }
}

impl State {
    /// Makes new groups.
    fn renew(&mut self) {
        self.groups = (0..GROUPS).map(|_| Group::new()).collect();
        let registry = self.registry.as_mut().expect("no program runs");
        for group in &self.groups {
            registry.add(&group.id, group.number);
        }
    }

    fn run(&mut self, program: &[Call], trace: Trace<'_>) -> Result<(), String> {
        if self.spoiled > SPOILABLE {
            // Enough has been found out.
            return Ok(());
        }
        let groups: Vec<_> = self
            .groups
            .iter()
            .map(|group| (group.id.clone(), group.number))
            .collect();
        let registry = self.registry.take().expect("no program runs");
        let mut run = Run {
            model: Model::new(registry, &groups),
            subject: Subject::new(self.groups.clone(), self.nobody.clone()),
            trace,
            tally: &mut self.tally,
        };
        let result = run.program(program);
        self.registry = Some(run.model.into_registry());
        self.calls += program.len();
        if result.is_err() {
            self.spoiled += GROUPS;
            self.renew();
        }
        result
    }
}

/// One run of one program.
struct Run<'a> {
    model: Model,
    subject: Subject,
    trace: Trace<'a>,
    tally: &'a mut Tally,
}

impl Run<'_> {
    fn program(&mut self, program: &[Call]) -> Result<(), String> {
        program
            .iter()
            .try_for_each(|call| self.call(call).map(|_| ()))?;
        self.show(|| "# everything is put back, which is looked at as well".to_owned());
        (0..GROUPS).try_for_each(|group| self.put_back(group))?;
        (0..model::model::SLOTS).try_for_each(|slot| self.call(&Call::Close { slot }).map(|_| ()))
    }

    /// Shows a line.
    fn show(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = self.trace {
            trace(&line());
        }
    }

    /// Makes a call. `None`: it was left out, for it would not end.
    fn call(&mut self, call: &Call) -> Result<Option<Outcome>, String> {
        let line = || print(std::slice::from_ref(call));
        if self.model.would_wait(call, now_ns()) {
            self.show(|| format!("{}    # left out: it would wait", line()));
            return Ok(None);
        }
        let (outcome, during) = self.subject.call(call, &self.model);
        let Err(expected) = self.model.observe(call, &outcome, during) else {
            self.tally.add(call, &outcome);
            self.show(|| format!("{}    # {outcome}; the model: the same", line()));
            return Ok(Some(outcome));
        };
        let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        let expected = match expected.as_slice() {
            [] => "it cannot have returned yet".to_owned(),
            expected => expected.join(" or "),
        };
        let took = (during.end - during.start) / 1000;
        let problem = format!(
            "{}    # {outcome}, after {took} us; the model: {expected}",
            line()
        );
        self.show(|| problem.clone());
        Err(problem)
    }

    /// Makes a group what it was at the beginning, by calls that have to do what they do.
    fn put_back(&mut self, group: usize) -> Result<(), String> {
        let slot = 0;
        let memory = Memory::Good;
        let set = |limit, number: usize| Call::SetLimit {
            group,
            limit,
            text: number.to_string(),
        };
        let wait = |ms| Call::SetReceiveTimeout { slot, ms, memory };
        let write = |size| Call::Write {
            slot,
            message: Message { size, fill: 1 },
            memory,
        };
        let read = Call::Read {
            slot,
            size: LARGEST,
            memory,
        };
        let open = Call::Open {
            slot,
            group,
            access: Access::Both,
            nonblock: false,
        };
        let undelayed = Call::SetSendDelay {
            slot,
            ms: 0,
            legacy: false,
            memory,
        };

        for call in [open, undelayed, Call::Awake { slot }, wait(LONG_ENOUGH)] {
            self.call(&call)?;
        }
        // What is soon due has to come by itself.
        while self.call(&read)?.is_some() {}
        self.call(&wait(0))?;
        self.call(&Call::Fsync { slot })?;
        while self.call(&read)? != Some(Outcome::ok(0)) {}
        // All of the room is there again.
        for call in [
            set(Limit::Message, LARGEST),
            set(Limit::Storage, LARGEST),
            write(LARGEST),
            write(1),
            read.clone(),
            read,
            set(Limit::Message, 100),
            set(Limit::Storage, 10_000),
            Call::Close { slot },
        ] {
            self.call(&call)?;
        }
        Ok(())
    }
}
