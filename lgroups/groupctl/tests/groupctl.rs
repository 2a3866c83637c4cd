// SPDX-License-Identifier: GPL-2.0

//! groupctl as a process. What needs the module is run by `vm.sh`.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What groupctl said, and how it ended.
#[derive(Debug)]
struct Said {
    status: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Said {
    /// It succeeded, silently, save for this.
    #[track_caller]
    fn is(self, out: &str) {
        assert_eq!((self.status, self.err.as_str()), (Some(0), ""), "{self:?}");
        assert_eq!(self.out, out);
    }

    /// It failed with this status, and said something with each of these in it.
    #[track_caller]
    fn fails(self, status: i32, words: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.out, "");
        for word in words {
            assert!(self.err.contains(word), "no {word}: {self:?}");
        }
        assert!(!self.err.contains('\x1b'), "there is no terminal: {self:?}");
    }

    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!((self.status, self.err.as_str()), (Some(0), ""), "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|err| panic!("{err}: {self:?}"))
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_groupctl"));
    command.args(args).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Said {
    command(args).output().expect("run").into()
}

fn run_with(args: &[&str], input: &[u8]) -> Said {
    let mut child = command(args).stdin(Stdio::piped()).spawn().expect("run");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin.write_all(input).expect("write");
    drop(stdin);
    child.wait_with_output().expect("wait").into()
}

/// A group that no other test knows.
fn new(name: &str) -> String {
    let id = format!("ctl-{name}-{}", std::process::id());
    let said = run(&["install", &id]);
    assert!(said.out.ends_with(" made\n"), "{said:?}");
    id
}

fn interrupt(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id() as i32).expect("pid");
    kill_process(pid, signal).expect("kill");
}

/// Tries until it is so.
#[track_caller]
fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

// ------------------------------------------------------------- what needs no module

#[test]
fn it_says_what_it_can() {
    let said = run(&["--help"]);
    assert_eq!(said.status, Some(0));
    for command in [
        "list", "install", "send", "receive", "delay", "revoke", "flush", "sleep", "awake",
        "limits", "writer", "reader", "awaker", "sleeper",
    ] {
        assert!(said.out.contains(&format!("\n  {command} ")), "{said:?}");
        let said = run(&[command, "--help"]);
        assert_eq!(said.status, Some(0), "{command}");
        assert!(said.out.contains("Usage: groupctl "), "{said:?}");
    }
    assert!(said.out.contains("Exit status:"), "{said:?}");
    assert!(!said.out.contains('\x1b'), "there is no terminal");
    run(&["--version"]).is(concat!("groupctl ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_usage_is_2() {
    for args in [
        &[][..],
        &["no-such-command"],
        &["send"],
        &["delay", "kitchen", "-1"],
        &["delay", "kitchen", "4294967296"],
        &["receive", "kitchen", "--all", "--follow"],
        &["receive", "kitchen", "--binary", "--json"],
        &["send", "kitchen", "hello", "--binary"],
        &["sleeper", "kitchen", "--threads", "0"],
        &["writer", "kitchen", "--size", "0"],
    ] {
        let said = run(args);
        assert_eq!(said.status, Some(2), "{args:?}");
        assert!(said.err.contains("--help"), "{said:?}");
    }
}

// --------------------------------------------------------------- and what needs none

#[test]
#[ignore = "is about a system without the module"]
fn without_the_module() {
    for args in [
        &["list"][..],
        &["install", "kitchen"],
        &["send", "kitchen", "hello"],
        &["receive", "kitchen"],
        &["delay", "kitchen", "1"],
        &["revoke", "kitchen"],
        &["flush", "kitchen"],
        &["sleep", "kitchen"],
        &["awake", "--install", "kitchen"],
        &["limits", "kitchen"],
        &["writer", "kitchen"],
    ] {
        run(args).fails(3, &["groupctl: ", "not loaded", "run scripts/install.sh"]);
    }
}

// ------------------------------------------------------------------ what needs it

#[test]
#[ignore = "needs a module whose groups have all been made"]
fn without_a_free_number() {
    run(&["install", "one more"]).fails(1, &["no more groups", "larger max_groups"]);
    run(&["send", "-i", "one more", "x"]).fails(1, &["larger max_groups"]);
    run(&["install", "groups"]).is("/dev/synch/group0 was there\n");
}

#[test]
#[ignore = "needs the module"]
fn input_and_output_may_fail() {
    let id = new("io");
    for args in [&["send", &id][..], &["send", "--binary", &id]] {
        let folder = std::fs::File::open("/").expect("open");
        let said = command(args).stdin(folder).output().expect("run");
        Said::from(said).fails(1, &["cannot read standard input"]);
    }
    let full = std::fs::File::create("/dev/full").expect("open");
    let said = command(&["list"]).stdout(full).output().expect("run");
    Said::from(said).fails(1, &["cannot write to standard output"]);
}

#[test]
#[ignore = "needs the module"]
fn install_says_whether_it_made_the_group() {
    let id = format!("ctl-install-{}", std::process::id());
    let made = run(&["--json", "install", &id]).json();
    let device = made["device"].as_str().expect("device");
    let path = format!("/dev/synch/{device}");
    assert_eq!(
        made,
        json!({ "device": device, "path": path, "made": true })
    );
    run(&["install", &id]).is(&format!("{path} was there\n"));
    run(&["install", ""]).fails(1, &["1 to 32 bytes"]);
    run(&["install", &"x".repeat(33)]).fails(1, &["1 to 32 bytes"]);
}

#[test]
#[ignore = "needs the module"]
fn list_shows_every_group() {
    let mut odd = format!("odd {}\n", std::process::id()).into_bytes();
    odd.push(0xff);
    let said = command(&["install"])
        .arg(std::ffi::OsStr::from_bytes(&odd))
        .output();
    assert!(said.expect("run").status.success());
    let id = new("list");

    let said = run(&["list"]);
    let mut lines = said.out.lines();
    assert_eq!(
        lines.next(),
        Some("DEVICE       MAX MESSAGE MAX STORAGE  ID")
    );
    assert_eq!(
        lines.next(),
        Some("group0               100       10000  groups")
    );
    assert!(said.out.contains(&format!("  {id}\n")), "{said:?}");
    assert!(
        said.out
            .contains(&format!("  odd {}\\n\\xff\n", std::process::id())),
        "{said:?}"
    );

    let list = run(&["list", "--json"]).json();
    let list = list.as_array().expect("array");
    let first = json!({
        "device": "group0", "id": "groups", "id_hex": "67726f757073",
        "max_message_size": 100, "max_storage_size": 10000,
    });
    assert_eq!(list[0], first);
    let hex = |group: &Value| group["id_hex"].as_str().expect("text").to_owned();
    let odd = list.iter().find(|group| hex(group).starts_with("6f646420"));
    let odd = odd.expect("the odd one");
    assert!(odd["id"].is_null() && hex(odd).ends_with("0aff"), "{odd}");
}

#[test]
#[ignore = "needs the module"]
fn a_group_that_is_not_there_is_not_made() {
    for args in [
        &["send", "no\tbody", "hello"][..],
        &["receive", "no\tbody"],
        &["delay", "no\tbody", "1"],
        &["revoke", "no\tbody"],
        &["flush", "no\tbody"],
        &["sleep", "no\tbody"],
        &["awake", "no\tbody"],
        &["limits", "no\tbody"],
    ] {
        run(args).fails(4, &["there is no group no\\tbody", "groupctl install"]);
    }
    let id = format!("ctl-made-{}", std::process::id());
    run(&["send", "--install", &id, "hello"]).is("");
    run(&["receive", "-i", &id]).is("hello\n");
}

#[test]
#[ignore = "needs the module"]
fn messages_are_sent_and_received() {
    let id = new("messages");
    run(&["receive", &id]).fails(5, &[]);
    run(&["send", &id, "one"]).is("");
    run(&["send", &id, "two", "--nul"]).is("");
    run_with(&["send", &id], b"three\nfour\n\xc3\xbc").is("");
    run(&["receive", &id]).is("one\n");
    // The NUL at the end is for programs in C.
    run(&["receive", &id]).is("two\n");
    run(&["receive", "--all", &id]).is("three\nfour\nü\n");
    run(&["receive", "--all", &id]).is("");

    run_with(&["send", "--binary", &id], b"a\nb\n\0").is("");
    run(&["receive", &id]).is("a\nb\n\n");
    run(&["send", "-b", "-0", &id]).fails(6, &["at least one byte"]);
    run_with(&["send", "-b", "-0", &id], b"x").is("");
    run(&["receive", "-b", &id]).is("x\0");

    let sent = run_with(&["send", "--json", &id], b"x\nyz\n").json();
    assert_eq!(sent, json!({ "messages": 2, "bytes": 3 }));
    let one = run(&["receive", "--json", &id]).json();
    assert_eq!(one, json!({ "size": 1, "text": "x", "hex": "78" }));
    run(&["receive", &id]).is("yz\n");
    run_with(&["send", "--binary", &id], b"\xff\x00\xfe").is("");
    let one = run(&["receive", "--json", &id]).json();
    assert_eq!(one, json!({ "size": 3, "text": null, "hex": "ff00fe" }));
}

#[test]
#[ignore = "needs the module"]
fn what_cannot_be_sent_is_6() {
    let id = new("refused");
    run(&["send", &id, ""]).fails(6, &["at least one byte"]);
    run(&["send", &id, &"x".repeat(101)]).fails(6, &["101 bytes", "max_message_size"]);
    run_with(&["send", &id], b"a\nb\n\nc\n").fails(6, &["line 3: ", "at least one byte"]);
    run(&["receive", "--all", &id]).is("a\nb\n");

    run(&["limits", &id, "--storage", "2"]).is("");
    run(&["send", &id, "xxx"]).fails(6, &["no room", "receive some"]);
    run(&["send", &id, "xx"]).is("");
    // There is room as soon as the message is received.
    let sender = command(&["send", "--wait", &id, "yy"])
        .spawn()
        .expect("run");
    std::thread::sleep(Duration::from_millis(100));
    run(&["receive", &id]).is("xx\n");
    Said::from(sender.wait_with_output().expect("wait")).is("");
    run(&["receive", &id]).is("yy\n");
}

#[test]
#[ignore = "needs the module"]
fn receive_waits_as_long_as_it_is_told_to() {
    let id = new("wait");
    let start = Instant::now();
    run(&["receive", "--timeout", "100", &id]).fails(5, &[]);
    assert!(start.elapsed() >= Duration::from_millis(100));
    let receiver = command(&["receive", "-t", "60000", &id])
        .spawn()
        .expect("run");
    run(&["send", &id, "late"]).is("");
    Said::from(receiver.wait_with_output().expect("wait")).is("late\n");
    run(&["send", &id, "one"]).is("");
    run(&["receive", "--follow", "-t", "100", &id]).is("one\n");
}

#[test]
#[ignore = "needs the module"]
fn follow_ends_at_ctrl_c() {
    for signal in [Signal::INT, Signal::TERM] {
        let id = new(&format!("follow{}", signal.as_raw()));
        let mut follower = command(&["receive", "-f", &id]).spawn().expect("run");
        let mut lines = BufReader::new(follower.stdout.take().expect("stdout")).lines();
        run_with(&["send", &id], b"one\ntwo\n").is("");
        // Each is printed when it comes.
        assert_eq!(lines.next().expect("line").expect("text"), "one");
        assert_eq!(lines.next().expect("line").expect("text"), "two");
        interrupt(&follower, signal);
        let output = follower.wait_with_output().expect("wait");
        assert_eq!(output.status.code(), Some(0));
        assert!(lines.next().is_none());
    }
}

/// Runs it with nobody to read what it says, before it has had time to start: it ends as by
/// SIGPIPE, and without a word.
fn ends_as_by_sigpipe(args: &[&str]) {
    let mut child = command(args).spawn().expect("run");
    drop(child.stdout.take());
    let said = Said::from(child.wait_with_output().expect("wait"));
    assert_eq!(
        (said.status, said.err.as_str()),
        (Some(141), ""),
        "{args:?}"
    );
}

#[test]
#[ignore = "needs the module"]
fn a_closed_pipe_loses_no_message() {
    let id = new("pipe");
    run_with(&["send", &id], b"one\ntwo\nthree\n").is("");
    for args in [
        &["receive", "--all", &id][..],
        &["receive", "--follow", &id],
    ] {
        ends_as_by_sigpipe(args);
    }
    run(&["receive", "--all", &id]).is("one\ntwo\nthree\n");

    // When it is closed later, --follow ends though nothing comes.
    let mut follower = command(&["receive", "-f", &id]).spawn().expect("run");
    run(&["send", &id, "one"]).is("");
    let mut stdout = follower.stdout.take().expect("stdout");
    stdout.read_exact(&mut [0; 4]).expect("read");
    drop(stdout);
    assert_eq!(follower.wait().expect("wait").code(), Some(141));

    for args in [&["list"][..], &["limits", &id], &["awake", "groups"]] {
        ends_as_by_sigpipe(args);
    }
}

#[test]
#[ignore = "needs the module"]
fn delayed_messages_are_flushed_and_revoked() {
    let id = new("delay");
    run(&["delay", &id, "60000"]).is("");
    // The sender's end makes it available.
    run(&["send", &id, "one"]).is("");
    run(&["receive", &id]).is("one\n");

    let hold = || {
        let mut sender = command(&["send", "--json", "--hold", "60000", &id, "two"]);
        let mut sender = sender.spawn().expect("run");
        let stdout = sender.stdout.as_mut().expect("stdout");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("read");
        sender
    };
    let mut sender = hold();
    run(&["revoke", &id]).is("");
    run(&["receive", &id]).fails(5, &[]);
    sender.kill().expect("kill");
    sender.wait().expect("wait");
    let mut sender = hold();
    run(&["flush", &id]).is("");
    run(&["receive", &id]).is("two\n");
    sender.kill().expect("kill");
    sender.wait().expect("wait");

    run(&["delay", &id, "100"]).is("");
    let start = Instant::now();
    run(&["send", "--hold", "300", &id, "three"]).is("");
    assert!(start.elapsed() >= Duration::from_millis(300));
    run(&["receive", &id]).is("three\n");
    run(&["delay", &id, "0"]).is("");
}

#[test]
#[ignore = "needs the module"]
fn sleepers_sleep_until_somebody_awakes_them() {
    let id = new("sleep");
    let said = run(&["awake", &id]);
    assert_eq!(
        (said.status, said.out.as_str()),
        (Some(5), "nobody sleeps\n"),
        "{said:?}"
    );
    let said = run(&["--json", "awake", &id]);
    assert_eq!(
        (said.status, said.out.as_str()),
        (Some(5), "{\"awoken\":\"nobody\"}\n")
    );

    for (args, expected) in [
        (&["awake", &id][..], "all sleepers wake up\n"),
        (&["awake", "--json", &id], "{\"awoken\":\"now\"}\n"),
    ] {
        let mut sleeper = command(&["sleep", &id]).spawn().expect("run");
        let mut said = run(args);
        eventually("it sleeps", || {
            if said.status == Some(5) {
                said = run(args);
            }
            said.status == Some(0)
        });
        assert_eq!(said.out, expected);
        assert_eq!(sleeper.wait().expect("wait").code(), Some(0));
    }
}

#[test]
#[ignore = "needs the module"]
fn limits_are_shown_and_set() {
    let id = new("limits");
    run(&["limits", &id]).is("max_message_size 100\nmax_storage_size 10000\n");
    run(&["limits", &id, "--message", "200"]).is("");
    run(&["limits", &id, "-s", "2100"]).is("");
    let limits = run(&["limits", "--json", &id]).json();
    assert_eq!(
        limits,
        json!({ "max_message_size": 200, "max_storage_size": 2100 })
    );

    let mut nobody = Command::new("setpriv");
    nobody.args([
        "--reuid=65534",
        "--clear-groups",
        env!("CARGO_BIN_EXE_groupctl"),
    ]);
    let said = nobody
        .args(["limits", &id, "-m", "1"])
        .output()
        .expect("setpriv");
    Said::from(said).fails(1, &["only root may change", "max_message_size"]);
}

/// Starts an endless mode, and ends it when `done` says so. Its summary.
fn endless(args: &[&str], done: impl FnOnce()) -> Value {
    let child = command(args).spawn().expect("run");
    done();
    interrupt(&child, Signal::INT);
    let said = Said::from(child.wait_with_output().expect("wait"));
    said.json()
}

#[test]
#[ignore = "needs the module"]
fn endless_modes_end_with_a_summary() {
    let id = new("endless");
    let mut probes = 0;
    let summary = endless(&["writer", "--json", "-s", "100", "-n", "2", &id], || {
        eventually("it is full", || {
            let said = run(&["send", &id, &"x".repeat(100)]);
            probes += u64::from(said.status == Some(0));
            said.status == Some(6)
        });
        // Long enough to be refused.
        std::thread::sleep(Duration::from_millis(300));
    });
    let messages = 100 - probes;
    assert_eq!(summary["messages"], messages);
    assert_eq!(summary["bytes"], 100 * messages);
    assert!(summary["refused"].as_u64() > Some(0), "{summary}");
    assert!(summary["seconds"].as_f64() > Some(0.0), "{summary}");
    assert!(summary["per_second"].as_f64() > Some(0.0), "{summary}");

    let empty = || {
        let said = run(&["send", &id, "last"]);
        assert!(matches!(said.status, Some(0 | 6)), "{said:?}");
        said.status == Some(0)
    };
    let summary = endless(&["--json", "reader", &id], || {
        eventually("there is room", empty)
    });
    assert!(summary["messages"].as_u64() > Some(0), "{summary}");

    let slept = endless(&["sleeper", "--json", "--threads", "3", &id], || {
        eventually("they sleep", || run(&["awake", &id]).status == Some(0));
        let awoke = run(&["awaker", "--json", "-i", "1", "--seconds", "2", &id]).json();
        assert!(awoke["awoke_sleepers"].as_u64() > Some(0), "{awoke}");
        let sum = ["awoke_sleepers", "awoken_before", "nobody_slept"];
        let sum = sum.iter().map(|name| awoke[name].as_u64().expect("number"));
        assert_eq!(awoke["calls"].as_u64(), Some(sum.sum()), "{awoke}");
    });
    assert!(slept["sleeps"].as_u64() >= Some(3), "{slept}");

    // For a person, and after a time.
    let said = run(&["writer", "--seconds", "1", "--interval", "100", &id]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(
        said.out.contains(" messages, ") && said.out.contains(" messages/s\n"),
        "{said:?}"
    );
    // No terminal, no live rate.
    assert_eq!(said.err, "");

    let said = run(&["writer", "--size", "101", &id]);
    assert_eq!(said.status, Some(6), "{said:?}");
    assert!(said.err.contains("max_message_size"), "{said:?}");
}

/// Runs it on a terminal for a while; what it shows there.
fn on_a_terminal(args: &[&str]) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("openpt");
    grantpt(&terminal).expect("grantpt");
    unlockpt(&terminal).expect("unlockpt");
    let name = ptsname(&terminal, Vec::new()).expect("ptsname");
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    let open = || {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path);
        Stdio::from(file.expect("open"))
    };
    let mut command = command(args);
    command.env_remove("NO_COLOR").env("TERM", "xterm");
    let mut child = command.stdout(open()).stderr(open()).spawn().expect("run");
    // The command has the other end open, and would keep it so.
    drop(command);
    let mut shown = Vec::new();
    // When nobody has it open any more, reading fails.
    let _ = std::fs::File::from(terminal).read_to_end(&mut shown);
    child.wait().expect("wait");
    String::from_utf8(shown).expect("text")
}

#[test]
#[ignore = "needs the module"]
fn on_a_terminal_there_are_colours_and_a_live_rate() {
    let id = new("terminal");
    let shown = on_a_terminal(&["list"]);
    assert!(shown.starts_with("\x1b[1mDEVICE"), "{shown:?}");
    let shown = on_a_terminal(&["delay", "nobody", "1"]);
    assert!(shown.contains("\x1b[1;31mgroupctl:"), "{shown:?}");
    let shown = on_a_terminal(&["reader", "--seconds", "3", &id]);
    assert!(
        shown.contains("\r\x1b[K0 messages/s (0 messages, 0 bytes)"),
        "{shown:?}"
    );
    assert!(
        shown.contains("\r\x1b[K0 messages, 0 bytes in 3."),
        "{shown:?}"
    );
}
