// SPDX-License-Identifier: GPL-2.0

//! `include/lgroups.h` is made from `src/capi.rs`, and is what that would make of it today.
//!
//! `LGROUPS_WRITE_HEADER=1 cargo test --test header` writes it.

use std::path::Path;

#[test]
fn lgroups_h_is_what_the_code_says() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = crate_dir.join("../include/lgroups.h");
    let config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml")).expect("config");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(crate_dir.join("src/capi.rs"))
        .generate()
        .expect("bindings");
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = for_c(&String::from_utf8(text).expect("text"));
    if std::env::var_os("LGROUPS_WRITE_HEADER").is_some() {
        std::fs::write(&header, &text).expect("write");
    }
    let written = std::fs::read_to_string(&header).expect("read");
    assert_eq!(
        written, text,
        "include/lgroups.h is not what src/capi.rs says: LGROUPS_WRITE_HEADER=1 cargo test --test header"
    );
}

#[test]
fn the_manual_has_every_function() {
    let header = include_str!("../../include/lgroups.h");
    let manual = include_str!("../man/lgroups.3");
    let names: Vec<&str> = header
        .lines()
        .filter(|line| line.ends_with(");"))
        .filter_map(|line| line.split('(').next()?.split([' ', '*']).next_back())
        .collect();
    assert!(names.len() >= 18, "{names:?}");
    let title = manual.lines().find(|line| line.starts_with("lgroups, "));
    let title = title.expect("a line of names");
    for name in names {
        assert!(
            title.contains(&format!(", {name}")),
            "{name} is not in NAME"
        );
        assert!(
            manual.contains(&format!("{name}(")),
            "{name} is not in SYNOPSIS"
        );
    }
}

/// Puts it as one would in C: without what is said of Rust's safety, which all of C is without.
fn for_c(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut safety = false;
    for line in text.lines() {
        if line.trim_start() == "* # Safety" {
            safety = true;
            // The empty line before it.
            lines.pop();
        }
        safety = safety && line.trim_start() != "*/";
        if safety {
            continue;
        }
        lines.push(match (line, line.split_once(" // ")) {
            ("/**", _) => "/*".to_owned(),
            (_, Some((code, comment))) => format!("{} /* {comment} */", code.trim_end()),
            _ => line.to_owned(),
        });
    }
    lines.join("\n") + "\n"
}
