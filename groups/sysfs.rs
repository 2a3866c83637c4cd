// SPDX-License-Identifier: GPL-2.0

//! A group's id and limits as attributes of its device, `/sys/class/groups/groupN/`.

use crate::{
    abi::attribute::{
        Attribute,
        AttributeRef,
        Text, //
    },
    group::Group,
    limits::{
        self,
        SizeError, //
    },
};
use core::fmt::Write;
use kernel::prelude::*;

/// The attributes that every group has.
pub(crate) const ATTRIBUTES: [AttributeRef<Group>; 3] = [
    AttributeRef::of::<Id>(),
    AttributeRef::of::<MaxMessageSize>(),
    AttributeRef::of::<MaxStorageSize>(),
];

/// `id`: the group's id, as it is, and a newline.
struct Id;

#[vtable]
impl Attribute for Id {
    type Data = Group;
    const NAME: &'static CStr = c"id";

    fn show(group: &Group, to: &mut Text<'_>) -> Result {
        to.push(group.id().as_bytes())?;
        to.push(b"\n")
    }
}

/// `max_message_size`: the largest message that may be sent, in bytes.
struct MaxMessageSize;

#[vtable]
impl Attribute for MaxMessageSize {
    type Data = Group;
    const NAME: &'static CStr = c"max_message_size";

    fn show(group: &Group, to: &mut Text<'_>) -> Result {
        show_size(group.limits().max_message_size, to)
    }

    fn store(group: &Group, text: &[u8]) -> Result {
        let size = read_size(text)?;
        group.set_max_message_size(size);
        Ok(())
    }
}

/// `max_storage_size`: the most that all messages together may hold, in bytes.
struct MaxStorageSize;

#[vtable]
impl Attribute for MaxStorageSize {
    type Data = Group;
    const NAME: &'static CStr = c"max_storage_size";

    fn show(group: &Group, to: &mut Text<'_>) -> Result {
        show_size(group.limits().max_storage_size, to)
    }

    fn store(group: &Group, text: &[u8]) -> Result {
        let size = read_size(text)?;
        group.set_max_storage_size(size);
        Ok(())
    }
}

fn show_size(size: usize, to: &mut Text<'_>) -> Result {
    writeln!(to, "{size}").map_err(|_| ENOSPC)
}

fn read_size(text: &[u8]) -> Result<usize> {
    limits::parse_size(text).map_err(|err| match err {
        SizeError::NotANumber => EINVAL,
        SizeError::OutOfRange => ERANGE,
    })
}
