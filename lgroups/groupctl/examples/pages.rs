// SPDX-License-Identifier: GPL-2.0

//! Writes what is installed with groupctl and can be made of its command line: the manual pages,
//! `groupctl.1` and one for each command, and the shells' completions.
//!
//! `cargo run --example pages -- FOLDER`

#[allow(dead_code, reason = "only the program uses the values")]
#[path = "../src/cli.rs"]
mod cli;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use std::fs::File;
use std::io::{Result, Write};
use std::path::Path;

/// Of the last change that a reader should know of.
const DATE: &str = "2026-11-23";

const EXAMPLES: &str = r#".SH EXAMPLES
.TP
Two terminals talk:
.nf
$ groupctl install kitchen
$ groupctl receive \-\-follow kitchen
.fi
.IP
and in the other one
.nf
$ groupctl send kitchen "is there coffee?"
.fi
.TP
A program waits until another one has started:
.nf
$ groupctl sleep \-\-install ready && echo "it is there"
.fi
.IP
and in the other one
.nf
$ groupctl awake ready
.fi
.TP
Each line of a file is a message that is delayed by a second:
.nf
$ groupctl delay kitchen 1000
$ groupctl send \-\-hold 1000 kitchen <file
.fi
"#;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).expect("a folder, please");
    let folder = Path::new(&folder);
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    std::fs::create_dir_all(&man)?;
    std::fs::create_dir_all(&completions)?;

    let mut all = cli::Cli::command().disable_help_subcommand(true);
    all.build();
    page(&all, &man, EXAMPLES)?;
    for command in all.get_subcommands() {
        page(command, &man, "")?;
    }
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut cli::Cli::command(), "groupctl", &completions)?;
    }
    Ok(())
}

/// Writes a command's page. What is said of the exit status is the same for all of them.
fn page(command: &Command, folder: &Path, examples: &str) -> Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .date(DATE)
        .source(concat!("groups ", env!("CARGO_PKG_VERSION")))
        .manual("Groups");
    let mut to = File::create(folder.join(format!("{name}.1")))?;
    man.render_title(&mut to)?;
    man.render_name_section(&mut to)?;
    man.render_synopsis_section(&mut to)?;
    man.render_description_section(&mut to)?;
    man.render_options_section(&mut to)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut to)?;
    }
    writeln!(to, ".SH \"EXIT STATUS\"")?;
    for (status, meaning) in cli::EXIT_STATUSES {
        writeln!(to, ".TP\n.B {status}\n{meaning}")?;
    }
    to.write_all(examples.as_bytes())?;
    writeln!(to, ".SH \"SEE ALSO\"")?;
    if !command.has_subcommands() {
        writeln!(to, ".BR groupctl (1),")?;
    }
    write!(to, ".BR lgroups (3),\n.BR groups (4)\n")
}
