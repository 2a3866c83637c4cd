// SPDX-License-Identifier: GPL-2.0

//! groupctl: groups from the command line.

mod cli;
mod failure;
mod groups;
mod load;
mod messages;
mod output;
mod wait;

use clap::Parser;
use cli::{Cli, Command};
use failure::Result;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result {
    let out = Output::new(cli.json);
    match cli.command {
        Command::List => groups::list(out),
        Command::Install { group } => groups::install(out, &group),
        Command::Send(args) => messages::send(out, &args),
        Command::Receive(args) => messages::receive(out, &args),
        Command::Delay {
            group,
            milliseconds,
        } => groups::delay(&group, milliseconds),
        Command::Revoke { group } => Ok(groups::open(&group)?.revoke()?),
        Command::Flush { group } => Ok(groups::open(&group)?.flush()?),
        Command::Sleep { group } => Ok(groups::open(&group)?.barrier().sleep()?),
        Command::Awake { group } => groups::awake(out, &group),
        Command::Limits {
            group,
            message,
            storage,
        } => groups::limits(out, &group, message, storage),
        Command::Writer { load, size } => load::writer(out, &load, size),
        Command::Reader { load } => load::reader(out, &load),
        Command::Awaker { load } => load::awaker(out, &load),
        Command::Sleeper { load } => load::sleeper(out, &load),
    }
}
