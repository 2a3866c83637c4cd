// SPDX-License-Identifier: GPL-2.0

//! Many processes that do random things to some groups at the same time: what they write down
//! fits the contract's promises.

use crate::calls::{now_ns, sleeps_in};
use crate::group::{DEFAULT_MESSAGE, DEFAULT_STORAGE, Group};
use crate::harness::{Test, soak, work};
use crate::process::spawn;
use crate::recorder::{Book, Books};
use crate::sys::{SLEEP_ON_BARRIER, shared};
use crate::test;
use crate::worker::{Habits, Worker, call};
use model::checker::{Counts, check};
use model::history::{History, Kind};
use model::random::Random;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[test!(random_histories_keep_the_promises)
    .seconds(900)
    .soaks()];

/// How many messages there have to be, and in each round.
const MESSAGES: usize = 1_000_000;
const ROUND: usize = 100_000;

const GROUPS: usize = 3;
const WORKERS: usize = 6;
const SLEEPERS: usize = 5;
const KILLS: usize = 12;
/// Those of the workers and sleepers, of those that come for killed ones, and that of the test.
const BOOKS: usize = WORKERS + SLEEPERS + KILLS + 2;
/// Who does not work is waited for no longer than this.
const LONGEST: Duration = Duration::from_secs(60);

/// What the rounds are about, in turn.
const ROUNDS: [Habits; 4] = [
    Habits {
        delays: false,
        limits: false,
        barrier: false,
        kills: false,
    },
    Habits {
        delays: true,
        limits: false,
        barrier: false,
        kills: false,
    },
    Habits {
        delays: true,
        limits: true,
        barrier: true,
        kills: false,
    },
    Habits {
        delays: true,
        limits: true,
        barrier: true,
        kills: true,
    },
];

fn random_histories_keep_the_promises() {
    let start = Instant::now();
    let groups: [Group; GROUPS] = std::array::from_fn(|_| Group::new());
    let mut all = Counts::default();
    for (number, habits) in ROUNDS.iter().cycle().enumerate() {
        if all.messages >= work(MESSAGES) && start.elapsed() >= soak() {
            break;
        }
        let history = Round::run(&groups, *habits);
        match check(&history) {
            Ok(counts) => all += counts,
            Err(violations) => {
                println!("round {number}, {habits:?}:");
                violations
                    .iter()
                    .for_each(|violation| println!("{violation}"));
                panic!("a history that does not keep the promises");
            }
        }
    }
    println!("{all:?}");
}

/// A process of a round.
struct Process {
    pid: Pid,
    writer: usize,
    /// Where it sleeps, if it does that.
    sleeps: Option<usize>,
}

/// Some processes that work at the same time.
struct Round<'a> {
    groups: &'a [Group],
    habits: Habits,
    books: Books,
    /// The test's own.
    book: Book,
    stop: &'static AtomicU64,
    random: Random,
    processes: Vec<Process>,
    next: usize,
}

impl<'a> Round<'a> {
    fn run(groups: &'a [Group], habits: Habits) -> History {
        // Calls that find nothing are written down too.
        let pages = work(ROUND) / WORKERS * 6 + 10_000;
        let books = Books::new(BOOKS, pages);
        let mut round = Self {
            groups,
            habits,
            book: books.book(BOOKS - 1),
            books,
            stop: &shared(1)[0],
            random: Random::new(now_ns()),
            processes: Vec::new(),
            next: 0,
        };
        for _ in 0..WORKERS {
            round.start(None);
        }
        if habits.barrier {
            (0..SLEEPERS).for_each(|number| round.start(Some(number % GROUPS)));
        }
        round.watch();
        round.end_sleepers();
        let (max_message_size, max_storage_size) = (DEFAULT_MESSAGE as u32, DEFAULT_STORAGE as u32);
        let worker = Worker::new(round.books.book(BOOKS - 2), 0, groups, habits);
        worker.clear_up(max_message_size, max_storage_size);
        let history = History {
            max_message_size,
            max_storage_size,
            entries: round.books.entries(),
        };
        // Only those are left that hang.
        for process in round.processes {
            let _ = kill(process.pid, Signal::SIGKILL);
        }
        history
    }

    /// Starts a process. This one has no group open: it would be closed there too.
    fn start(&mut self, sleeps: Option<usize>) {
        let writer = self.next;
        self.next += 1;
        let (groups, habits, stop) = (self.groups, self.habits, self.stop);
        let seed = self.random.below(u64::MAX);
        let book = self.books.book(writer);
        // Those that come for others have less left to do.
        let share = if writer < WORKERS { 1 } else { 4 };
        let messages = (work(ROUND) / WORKERS) as u32 / share;
        let child = spawn(|| {
            let worker = Worker::new(book, seed, groups, habits);
            match sleeps {
                Some(group) => worker.sleep(group, stop),
                None => worker.work(messages),
            }
        });
        self.processes.push(Process {
            pid: child.pid(),
            writer,
            sleeps,
        });
    }

    /// Watches the processes until all that do not sleep have ended.
    fn watch(&mut self) {
        let mut kills = if self.habits.kills { KILLS } else { 0 };
        loop {
            self.reap();
            if self
                .processes
                .iter()
                .all(|process| process.sleeps.is_some())
            {
                return;
            }
            self.look_at_sleepers();
            if kills > 0 && self.random.below(20) == 0 {
                kills -= 1;
                self.kill_one();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Forgets the processes that have ended, which they have to have done well.
    fn reap(&mut self) {
        let is_there = |process: &Process| match waitpid(process.pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => true,
            Ok(WaitStatus::Exited(_, 0)) => false,
            status => panic!("a process of the round: {status:?}"),
        };
        self.processes.retain(is_there);
    }

    /// Writes down who sleeps. Returns how many do on the barrier of each group.
    fn look_at_sleepers(&mut self) -> [usize; GROUPS] {
        let mut asleep = [0; GROUPS];
        for process in &self.processes {
            let Some(group) = process.sleeps else {
                continue;
            };
            let start = now_ns();
            if sleeps_in(process.pid, nix::libc::SYS_ioctl, Some(SLEEP_ON_BARRIER)) {
                asleep[group] += 1;
                let seen = call(Kind::Seen, group, 0);
                let worker = process.writer as u16;
                self.book.write(seen, |entry| {
                    entry.start = start;
                    entry.worker = worker;
                });
            }
        }
        asleep
    }

    /// Kills one of the processes, in whatever call it is, and has another one come for it.
    fn kill_one(&mut self) {
        let victim = self.random.below(self.processes.len() as u64) as usize;
        let process = self.processes.swap_remove(victim);
        let start = now_ns();
        kill(process.pid, Signal::SIGKILL).expect("kill");
        let status = waitpid(process.pid, None).expect("waitpid");
        self.books.killed(process.writer, now_ns());
        // All its descriptors were closed.
        for group in 0..GROUPS {
            let flush = call(Kind::Flush, group, 0);
            self.book.write(flush, |entry| entry.start = start);
        }
        let was_killed = matches!(status, WaitStatus::Signaled(..));
        // It may just have ended by itself.
        if was_killed && self.next < BOOKS - 2 {
            self.start(process.sleeps);
        }
    }

    /// Awakes those who sleep, until all have gone.
    fn end_sleepers(&mut self) {
        self.stop.store(1, SeqCst);
        let deadline = Instant::now() + LONGEST;
        let devices: Vec<_> = self.groups.iter().map(Group::open).collect();
        while !self.processes.is_empty() && Instant::now() < deadline {
            let asleep = self.look_at_sleepers();
            for (group, device) in devices.iter().enumerate() {
                if asleep[group] > 0 {
                    self.book.write(call(Kind::Awake, group, 0), |entry| {
                        entry.result = device.awake_barrier();
                    });
                }
            }
            std::thread::sleep(Duration::from_millis(5));
            self.reap();
        }
        for (group, device) in devices.into_iter().enumerate() {
            let flush = call(Kind::Flush, group, 0);
            self.book.write(flush, |_| drop(device));
        }
    }
}
