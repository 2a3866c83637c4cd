// SPDX-License-Identifier: GPL-2.0

//! The command line: what there is, and what is said of it, in `--help` as in the manual.

use clap::{Args, Parser, Subcommand, ValueHint};
use std::ffi::OsString;
use std::num::NonZeroU64;

/// How it ends, and what that means.
pub const EXIT_STATUSES: [(u8, &str); 8] = [
    (0, "done"),
    (1, "refused by the kernel; the error says why"),
    (2, "wrong usage"),
    (3, "the groups module is not loaded"),
    (4, "there is no such group"),
    (5, "nothing there: no message to receive, nobody to awake"),
    (
        6,
        "the message cannot be sent: empty, too large, or no room",
    ),
    (141, "nobody reads standard output any more"),
];

fn exit_statuses() -> String {
    let mut text = "Exit status:".to_owned();
    for (status, meaning) in EXIT_STATUSES {
        text.push_str(&format!("\n  {status:<3}  {meaning}"));
    }
    text
}

/// Exchange messages and synchronize within named groups
///
/// A group has an id, of 1 to 32 bytes. Messages sent to it are received by one reader each, first
/// in, first out. Threads and processes may also sleep on a group's barrier until somebody awakes
/// it.
#[derive(Parser)]
#[command(name = "groupctl", version, after_help = exit_statuses(), max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Print JSON, one value a line
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// What it is to do.
#[derive(Subcommand)]
pub enum Command {
    /// Show the groups that there are
    ///
    /// It opens no group's device, so it disturbs nobody. Bytes of an id that are no printable text
    /// are escaped, as \xff.
    List,
    /// Find the group with this id, or make it
    Install {
        /// The group's id
        group: OsString,
    },
    /// Send a message, or one for each line of standard input
    ///
    /// When the last message is sent, groupctl closes the group's device, and that makes delayed
    /// messages available at once. To have them delayed, use --hold.
    Send(Send),
    /// Receive a message
    ///
    /// A message is printed as a line of text, without the NUL at its end that programs in C send.
    /// At Ctrl-C, --follow ends with exit status 0, and no message is lost.
    Receive(Receive),
    /// Set the delay of the messages that anybody sends to the group from now on
    Delay {
        #[command(flatten)]
        group: Group,
        /// The delay, in milliseconds; 0: none
        milliseconds: u32,
    },
    /// Discard the delayed messages
    Revoke {
        #[command(flatten)]
        group: Group,
    },
    /// Make the delayed messages available now
    Flush {
        #[command(flatten)]
        group: Group,
    },
    /// Sleep on the group's barrier until somebody awakes it
    Sleep {
        #[command(flatten)]
        group: Group,
    },
    /// Wake everybody who sleeps on the group's barrier
    ///
    /// Exit status 5: nobody sleeps.
    Awake {
        #[command(flatten)]
        group: Group,
    },
    /// Show the group's limits, or set them (which only root may)
    Limits {
        #[command(flatten)]
        group: Group,
        /// Set the largest message, in bytes
        #[arg(short, long, value_name = "BYTES")]
        message: Option<u64>,
        /// Set how much all messages together may hold, in bytes
        #[arg(short, long, value_name = "BYTES")]
        storage: Option<u64>,
    },
    /// For testing: send messages without end
    ///
    /// It shows the rate when standard error is a terminal, and prints a summary at Ctrl-C.
    Writer {
        #[command(flatten)]
        load: Load,
        /// The messages' size, in bytes
        #[arg(short, long, value_name = "BYTES", default_value_t = 64)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=0x7fff_ffff))]
        size: u32,
    },
    /// For testing: receive messages without end, and forget them
    ///
    /// It shows the rate when standard error is a terminal, and prints a summary at Ctrl-C.
    Reader {
        #[command(flatten)]
        load: Load,
    },
    /// For testing: awake the barrier without end
    ///
    /// It shows the rate when standard error is a terminal, and prints a summary at Ctrl-C.
    Awaker {
        #[command(flatten)]
        load: Load,
    },
    /// For testing: sleep on the barrier without end
    ///
    /// It shows the rate when standard error is a terminal, and prints a summary at Ctrl-C.
    Sleeper {
        #[command(flatten)]
        load: Load,
    },
}

// Which group it is about.
#[derive(Args)]
pub struct Group {
    /// The group's id
    #[arg(value_name = "GROUP")]
    pub id: OsString,
    /// Make the group if it is not there
    #[arg(short, long)]
    pub install: bool,
}

#[derive(Args)]
pub struct Send {
    #[command(flatten)]
    pub group: Group,
    /// The message; without it, each line of standard input is one
    #[arg(value_hint = ValueHint::Other)]
    pub message: Option<OsString>,
    /// All of standard input is one message, whatever is in it
    #[arg(short, long, conflicts_with = "message")]
    pub binary: bool,
    /// Send a NUL behind each message, as programs in C expect it
    #[arg(short = '0', long)]
    pub nul: bool,
    /// Wait while there is no room, rather than fail
    #[arg(short, long)]
    pub wait: bool,
    /// Keep the group open for so long after the last message
    #[arg(long, value_name = "MILLISECONDS")]
    pub hold: Option<u64>,
}

#[derive(Args)]
pub struct Receive {
    #[command(flatten)]
    pub group: Group,
    /// Receive all messages that are there
    #[arg(short, long, conflicts_with_all = ["follow", "timeout"])]
    pub all: bool,
    /// Receive without end, waiting for messages
    #[arg(short, long)]
    pub follow: bool,
    /// Wait for a message for so long; with --follow, for each
    #[arg(short, long, value_name = "MILLISECONDS")]
    pub timeout: Option<u64>,
    /// Print messages as they are, with nothing between them
    #[arg(short, long, conflicts_with = "json")]
    pub binary: bool,
}

// What the endless modes have in common. (As documentation it would be taken for a command's.)
#[derive(Args)]
pub struct Load {
    /// The group's id; it is made if it is not there
    pub group: OsString,
    /// How many threads do it
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub threads: u32,
    /// Each thread pauses for so long after each time
    #[arg(short, long, value_name = "MILLISECONDS", default_value_t = 0)]
    pub interval: u64,
    /// End after so many seconds, as if Ctrl-C had been pressed
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<NonZeroU64>,
}
