// SPDX-License-Identifier: GPL-2.0

//! What is about groups rather than messages: `list`, `install`, `delay`, `awake`, `limits`.

use crate::cli;
use crate::failure::{Failure, Result};
use crate::output::{Output, bytes, escaped};
use lgroups::{Awoken, Group, Limits};
use serde_json::json;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Opens the group that is named, and makes it only if that is wanted: a slip of the finger is not
/// to leave a group behind.
pub fn open(group: &cli::Group) -> Result<Group> {
    let id = group.id.as_bytes();
    if group.install {
        return Ok(Group::install(id)?);
    }
    Group::find(id)?.ok_or_else(|| Failure::NoSuchGroup(escaped(id)))
}

pub fn list(out: Output) -> Result {
    let groups = lgroups::list()?;
    out.write(|to| {
        if out.json {
            let list: Vec<_> = groups
                .iter()
                .map(|group| {
                    let (id, id_hex) = bytes(&group.id);
                    json!({
                        "device": group.device_name(),
                        "id": id,
                        "id_hex": id_hex,
                        "max_message_size": group.limits.max_message_size,
                        "max_storage_size": group.limits.max_storage_size,
                    })
                })
                .collect();
            return writeln!(to, "{}", json!(list));
        }
        let heading = format!(
            "{:<12} {:>11} {:>11}  ID",
            "DEVICE", "MAX MESSAGE", "MAX STORAGE"
        );
        writeln!(to, "{}", out.heading(&heading))?;
        for group in &groups {
            writeln!(
                to,
                "{:<12} {:>11} {:>11}  {}",
                group.device_name(),
                group.limits.max_message_size,
                group.limits.max_storage_size,
                escaped(&group.id)
            )?;
        }
        Ok(())
    })
}

pub fn install(out: Output, id: &OsStr) -> Result {
    let group = Group::install(id.as_bytes())?;
    let (path, made) = (group.path().display(), group.was_made());
    out.print(
        || format!("{path} {}", if made { "made" } else { "was there" }),
        || json!({ "device": group.device_name(), "path": path.to_string(), "made": made }),
    )
}

pub fn delay(group: &cli::Group, ms: u32) -> Result {
    Ok(open(group)?.set_delay(Duration::from_millis(ms.into()))?)
}

pub fn awake(out: Output, group: &cli::Group) -> Result {
    let awoken = open(group)?.barrier().awake()?;
    let (text, word) = match awoken {
        Awoken::Now => ("all sleepers wake up", "now"),
        Awoken::Before => ("the sleepers awoken before are still waking up", "before"),
        Awoken::Nobody => ("nobody sleeps", "nobody"),
    };
    out.print(|| text.to_owned(), || json!({ "awoken": word }))?;
    match awoken {
        Awoken::Nobody => Err(Failure::Nothing),
        Awoken::Now | Awoken::Before => Ok(()),
    }
}

pub fn limits(
    out: Output,
    group: &cli::Group,
    message: Option<u64>,
    storage: Option<u64>,
) -> Result {
    let group = open(group)?;
    let now = group.limits()?;
    if message.is_some() || storage.is_some() {
        return Ok(group.set_limits(Limits {
            max_message_size: message.unwrap_or(now.max_message_size),
            max_storage_size: storage.unwrap_or(now.max_storage_size),
        })?);
    }
    out.print(
        || {
            format!(
                "max_message_size {}\nmax_storage_size {}",
                now.max_message_size, now.max_storage_size
            )
        },
        || {
            json!({
                "max_message_size": now.max_message_size,
                "max_storage_size": now.max_storage_size,
            })
        },
    )
}
