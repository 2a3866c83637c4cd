// SPDX-License-Identifier: GPL-2.0

//! Runs tests, each in a process of its own, and reports in TAP 14.
//!
//! To add a test, write a function that panics when the module breaks its promise, and put it into
//! its file's `TESTS`; one that is forgotten there is reported as never used. A test makes its
//! groups with [`Group::new`](crate::group::Group::new), which nobody else uses, so tests neither
//! disturb each other nor clean up. A test that cannot share a guest [says so](Test::runs_in).
//!
//! The harness watches what a test cannot see itself: that it ends in time, that its processes can
//! be killed, and what the kernel says meanwhile. Nothing that a user calls may make the module
//! say a word, so a line of it fails the test, unless the test loads or unloads it.

use crate::kernel_log::KernelLog;
use crate::module;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The guest that a test needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Guest {
    /// One with udev and the module, which the test leaves as it was.
    Shared,
    /// One without the module, which the tests of this kind change for good, one behind the other.
    Alone,
    /// As the shared one, with the debug kernel: there the others run too.
    Debug,
    /// One that can be suspended, for which its root has to be in memory (tests/suspend.sh).
    Suspend,
}

impl Guest {
    fn from_option(option: &str) -> Option<Self> {
        match option {
            "--alone" => Some(Self::Alone),
            "--debug" => Some(Self::Debug),
            "--suspend" => Some(Self::Suspend),
            _ => None,
        }
    }

    /// Whether a test that needs `other` runs in this one.
    fn runs(self, other: Self) -> bool {
        self == other || self == Self::Debug && other == Self::Shared
    }
}

/// A test, and what the harness has to know of it.
#[derive(Clone, Copy)]
pub struct Test {
    name: &'static str,
    run: fn(),
    seconds: u64,
    loads: bool,
    soaks: bool,
    guest: Guest,
}

impl Test {
    pub const fn new(name: &'static str, run: fn()) -> Self {
        Self {
            name,
            run,
            seconds: 60,
            loads: false,
            soaks: false,
            guest: Guest::Shared,
        }
    }

    /// It may take so long, on an idle machine without virtualization by hardware.
    pub const fn seconds(self, seconds: u64) -> Self {
        Self { seconds, ..self }
    }

    /// It goes on for as long as [`soak`] says, on top of that.
    pub const fn soaks(self) -> Self {
        Self {
            soaks: true,
            ..self
        }
    }

    /// It loads and unloads the module itself.
    pub const fn loads(self) -> Self {
        Self {
            loads: true,
            ..self
        }
    }

    /// It runs in another kind of guest, and loads the module itself if it has to be loaded.
    pub const fn runs_in(self, guest: Guest) -> Self {
        Self { guest, ..self }
    }
}

/// The test that is this function.
#[macro_export]
macro_rules! test {
    ($name:ident) => {
        $crate::harness::Test::new(stringify!($name), $name)
    };
}

/// Ends the test as skipped. The reason is not optional.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {
        $crate::harness::skip(&format!($($reason)+))
    };
}

/// So many of a test's lines in the kernel's log are shown.
const COMPLAINTS: usize = 20;

const SKIPPED: i32 = 77;
/// Marks the line that says why a test is skipped.
const SKIP_MARK: &str = "SKIP ";

pub fn skip(reason: &str) -> ! {
    println!("{SKIP_MARK}{reason}");
    std::process::exit(SKIPPED)
}

/// Marks a line that is for the report.
const REPORT_MARK: &str = "REPORT ";

/// Has the report of this test say something, however the test ends: what it counted.
pub fn report(what: &str) {
    println!("{REPORT_MARK}{what}");
}

const USAGE: &str = "\
usage: vm [--alone | --debug | --suspend] [--list] [--exact] [TEXT]...
Runs the tests whose names contain one of the TEXTs, by default all of them, and prints TAP.
  --alone    those that change a guest for good; it has to be without the module
  --debug    also those that need the debug kernel
  --suspend  those that suspend the guest
  --list     print their names instead
  --exact    the TEXTs are whole names
  --replay WHAT  run the random program of this seed, or in this file, and show each call
GROUPS_TEST_PATIENCE=N multiplies every time limit, for kernels that are slow on purpose.
GROUPS_TEST_SCALE=N divides how often they do what they do very often, for the same.
GROUPS_TEST_SOAK_SECONDS=N has them go on for so long at least.
GROUPS_TEST_SEED=N has the random programs begin with this seed.";

/// The program: see [`USAGE`].
pub fn main(tests: &[Test]) -> ExitCode {
    let mut names: Vec<_> = tests.iter().map(|test| test.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), tests.len(), "two tests have the same name");

    let (mut guest, mut list, mut exact, mut texts) = (Guest::Shared, false, false, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--exec" => return exec(tests, &args.next().unwrap_or_default()),
            "--list" => list = true,
            "--exact" => exact = true,
            "-h" | "--help" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            option if option.starts_with('-') => match Guest::from_option(option) {
                Some(kind) => guest = kind,
                None => {
                    eprintln!("vm: unknown option {option}\n{USAGE}");
                    return ExitCode::from(2);
                }
            },
            _ => texts.push(arg),
        }
    }
    let wanted: Vec<_> = tests
        .iter()
        .filter(|test| guest.runs(test.guest))
        .filter(|test| {
            texts.is_empty()
                || texts.iter().any(|text| match exact {
                    true => test.name == text,
                    false => test.name.contains(text.as_str()),
                })
        })
        .collect();

    if list {
        for test in wanted {
            println!("{}", test.name);
        }
        ExitCode::SUCCESS
    } else if wanted.is_empty() {
        eprintln!("vm: no test has such a name; --list prints them all");
        ExitCode::from(2)
    } else {
        run_all(&wanted)
    }
}

/// Runs one test in this process.
fn exec(tests: &[Test], name: &str) -> ExitCode {
    // Whoever ends the harness ends the test.
    prctl::set_pdeathsig(Signal::SIGKILL).expect("prctl");
    let test = tests.iter().find(|test| test.name == name);
    (test.expect("no test has this name").run)();
    ExitCode::SUCCESS
}

fn run_all(tests: &[&Test]) -> ExitCode {
    // What a test leaves behind comes to this process, to be killed and waited for.
    prctl::set_child_subreaper(true).expect("prctl");
    let start = Instant::now();
    println!("TAP version 14\n1..{}", tests.len());
    let mut failed = 0;
    for (number, test) in (1..).zip(tests) {
        let start = Instant::now();
        let outcome = run(test);
        let seconds = start.elapsed().as_secs_f64();
        let name = test.name;
        match outcome {
            Ok(Outcome::Held(reports)) => {
                println!("ok {number} - {name} # {seconds:.2} s");
                for report in reports {
                    println!("# {report}");
                }
            }
            Ok(Outcome::Skipped(reason)) => println!("ok {number} - {name} # SKIP {reason}"),
            Err(lines) => {
                failed += 1;
                println!("not ok {number} - {name} # {seconds:.2} s");
                for line in lines {
                    println!("# {line}");
                }
            }
        }
        // The reader may be another machine's console: let it see where a hang is.
        std::io::stdout().flush().expect("standard output");
    }
    println!(
        "# {} tests, {failed} failed, {:.1} s",
        tests.len(),
        start.elapsed().as_secs_f64()
    );
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// How often a test does what it does very often: `times`, or less on a kernel that is slow on
/// purpose.
pub fn work(times: usize) -> usize {
    static DIVISOR: LazyLock<usize> =
        LazyLock::new(|| number("GROUPS_TEST_SCALE").unwrap_or(1).max(1));
    (times / *DIVISOR).max(1)
}

/// How much longer than expected everything may take.
pub fn patience() -> u32 {
    number("GROUPS_TEST_PATIENCE").unwrap_or(1)
}

/// How long random tests go on at least.
pub fn soak() -> Duration {
    Duration::from_secs(number("GROUPS_TEST_SOAK_SECONDS").unwrap_or(0))
}

/// A number from the environment.
fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// How a test ended that did not fail.
enum Outcome {
    /// With lines for the report.
    Held(Vec<String>),
    /// Skipped, for this reason.
    Skipped(String),
}

#[expect(clippy::zombie_processes, reason = "kill_all waits for what is left")]
/// Runs a test. `Err`: why the module does not do as it should.
fn run(test: &Test) -> Result<Outcome, Vec<String>> {
    let mut problems = Vec::new();
    let mut log = KernelLog::from_now();
    let mut output = nameless_file();
    let start = Instant::now();
    let mut limit = Duration::from_secs(test.seconds) * patience();
    if test.soaks {
        limit += soak();
    }

    let mut child = Command::new("/proc/self/exe")
        .args(["--exec", test.name])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("dup"))
        .stderr(output.try_clone().expect("dup"))
        .spawn()
        .expect("cannot run this program again");
    let group = Pid::from_raw(child.id() as i32);
    let status = if ended_before(group, start + limit) {
        Some(child.wait().expect("wait"))
    } else {
        problems.push(format!("it did not end within {} s", limit.as_secs()));
        problems.extend(where_it_hangs(group));
        None
    };
    if let Err(problem) = kill_all(group) {
        problems.push(problem);
    }

    let mut text = Vec::new();
    output.rewind().expect("rewind");
    output.read_to_end(&mut text).expect("read");
    let text = String::from_utf8_lossy(&text);
    if let Some(status) = status.filter(|status| !status.success()) {
        if status.code() == Some(SKIPPED) && problems.is_empty() {
            let reason = text.lines().rev().find_map(|l| l.strip_prefix(SKIP_MARK));
            let reason = reason.unwrap_or("it does not say why").to_owned();
            return Ok(Outcome::Skipped(reason));
        }
        problems.push(how_it_ended(status));
    }

    let mut complaints = Vec::new();
    for line in log.lines() {
        if line.is_alarming() {
            complaints.push(format!("the kernel says: {}", line.text));
        } else if line.is_of_the_module() && !test.loads && test.guest != Guest::Alone {
            complaints.push(format!("the module says, unasked: {}", line.text));
        }
    }
    let more = complaints.len().saturating_sub(COMPLAINTS);
    problems.extend(complaints.into_iter().take(COMPLAINTS));
    if more > 0 {
        problems.push(format!("and {more} more such lines"));
    }
    if test.loads {
        if let Err(problem) = module::restore() {
            problems.push(format!("cannot load the module again: {problem}"));
        }
    }

    if problems.is_empty() {
        let reports = text.lines().filter_map(|l| l.strip_prefix(REPORT_MARK));
        Ok(Outcome::Held(reports.map(str::to_owned).collect()))
    } else {
        problems.extend(text.lines().map(str::to_owned));
        Err(problems)
    }
}

/// A file for a test's output. Unlike a pipe, nobody's having it open keeps the harness waiting.
fn nameless_file() -> File {
    // SAFETY: The name is a NUL-terminated string.
    let fd = unsafe { libc::memfd_create(c"output".as_ptr(), libc::MFD_CLOEXEC) };
    Errno::result(fd).expect("memfd_create");
    // SAFETY: The descriptor is new, and nobody else's.
    unsafe { File::from_raw_fd(fd) }
}

fn ended_before(pid: Pid, deadline: Instant) -> bool {
    // SAFETY: The call takes numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) } as i32;
    Errno::result(fd).expect("pidfd_open");
    // SAFETY: The descriptor is new, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], left) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(Errno::EINTR) => {}
            Err(err) => panic!("poll: {err}"),
        }
    }
}

fn how_it_ended(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => match Signal::try_from(signal) {
            Ok(signal) => format!("it was killed by {signal}"),
            Err(_) => format!("it was killed by signal {signal}"),
        },
        None => format!("it ended with {}", status.code().unwrap_or(-1)),
    }
}

/// Kills a test's processes, and those that they left to this one, and waits until they are gone.
fn kill_all(group: Pid) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(10) * patience();
    // None is left in most cases.
    let _ = killpg(group, Signal::SIGKILL);
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return Ok(()),
            Ok(WaitStatus::StillAlive) if Instant::now() > deadline => {
                let mut left = vec!["processes that do not die:".to_owned()];
                left.extend(children());
                return Err(left.join(" "));
            }
            Ok(WaitStatus::StillAlive) => {
                // Those that have left the test's process group.
                for child in child_pids() {
                    let _ = kill(child, Signal::SIGKILL);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(_) | Err(_) => {}
        }
    }
}

fn child_pids() -> Vec<Pid> {
    let path = format!("/proc/self/task/{}/children", std::process::id());
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

fn children() -> Vec<String> {
    child_pids().into_iter().map(describe).collect()
}

/// What the processes of a test are doing in the kernel.
fn where_it_hangs(group: Pid) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().parse().ok();
        let Some(pid) = pid.map(Pid::from_raw) else {
            continue;
        };
        if nix::unistd::getpgid(Some(pid)) == Ok(group) {
            lines.push(describe(pid));
        }
    }
    lines
}

fn describe(pid: Pid) -> String {
    let read =
        |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let state = read("status");
    let state = state.lines().find(|line| line.starts_with("State"));
    let stack = read("stack");
    let stack: Vec<_> = stack.lines().take(6).collect();
    format!(
        "process {pid}: {}, {}",
        state.unwrap_or("gone"),
        stack.join(" ")
    )
}
