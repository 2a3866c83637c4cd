// SPDX-License-Identifier: GPL-2.0

//! Parcels in the order of their due times.
//!
//! C header: [`include/linux/rbtree.h`](srctree/include/linux/rbtree.h)
//!
//! Reference: <https://docs.kernel.org/core-api/rbtree.html>

use super::{
    clock::Instant,
    parcel::{
        Chain,
        Head,
        Parcel, //
    },
};
use core::{
    mem,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::bindings;

/// A header that says when its parcel is due.
pub(crate) trait Due {
    /// When it is due. Does not change while the parcel is in a schedule.
    fn due(&self) -> Instant;
}

/// Parcels in the order of their due times; those that are due at the same time, in the order in
/// which they came.
///
/// A chain has them in order, so that the first ones, and all at once, are taken out at no cost;
/// and a red-black tree of the same parcels finds the place of one that is not the last.
///
/// # Invariants
///
/// - `chain` is sorted by due time, and has `len` parcels.
/// - `root` is a red-black tree of exactly the `node`s of the parcels in `chain`, in the same
///   order.
pub(crate) struct Schedule<H> {
    root: bindings::rb_root,
    chain: Chain<H>,
    len: usize,
}

// SAFETY: A schedule owns its parcels; the tree refers to them alone.
unsafe impl<H: Send> Send for Schedule<H> {}

impl<H: Due> Schedule<H> {
    /// A schedule without parcels.
    pub(crate) fn new() -> Self {
        // INVARIANT: There are none: a tree whose root is null is empty.
        Self {
            root: pin_init::zeroed(),
            chain: Chain::new(),
            len: 0,
        }
    }

    /// Puts a parcel behind all that are due no later than it.
    ///
    /// Cost: constant, amortized, if it is the last one; else logarithmic in the number of
    /// parcels. Any context.
    pub(crate) fn insert(&mut self, parcel: Parcel<H>) {
        let mut head = parcel.into_raw();
        // SAFETY: It was given up just now, so it is valid and ours.
        let due = unsafe { head.as_ref() }.header.due();

        // Where it goes: below `parent`, at `link`, and in the chain behind `before`.
        let before;
        let parent: *mut bindings::rb_node;
        let link: *mut *mut bindings::rb_node;
        match self.chain.last {
            // SAFETY: By the type invariant the chain's parcels are valid and ours.
            Some(last) if unsafe { last.as_ref() }.header.due() <= due => {
                before = Some(last);
                parent = Self::node(last);
                // SAFETY: As above. The last one has no right child, for that would be behind it.
                link = unsafe { &raw mut (*parent).rb_right };
            }
            _ => (before, parent, link) = self.place(due),
        }

        // INVARIANT: The chain stays sorted, for `before` is the last one that is due no later,
        // and the place in the tree is right behind it.
        // SAFETY: All of these are valid and ours, and so are the chain's parcels.
        unsafe {
            let behind = match before {
                Some(mut before) => &mut before.as_mut().next,
                None => &mut self.chain.first,
            };
            head.as_mut().next = behind.replace(head);
            if head.as_ref().next.is_none() {
                self.chain.last = Some(head);
            }
            bindings::rb_link_node(Self::node(head), parent, link);
            bindings::rb_insert_color(Self::node(head), &mut self.root);
        }
        // There is not as much memory as would make this overflow.
        self.len = self.len.saturating_add(1);
    }

    /// The place of a parcel that is due at `due`: the parcel that it goes behind in the chain,
    /// and the parent and the link that it goes to in the tree.
    fn place(
        &mut self,
        due: Instant,
    ) -> (
        Option<NonNull<Head<H>>>,
        *mut bindings::rb_node,
        *mut *mut bindings::rb_node,
    ) {
        let mut before = None;
        let mut parent = ptr::null_mut();
        let mut link = &raw mut self.root.rb_node;
        // SAFETY: `link` points to the root's or a node's pointer, all of which are valid.
        while let Some(node) = NonNull::new(unsafe { *link }) {
            parent = node.as_ptr();
            // SAFETY: By the type invariant the tree's nodes are those of valid parcels of ours.
            let head = unsafe { Self::head(node) };
            // SAFETY: As above.
            link = unsafe {
                if head.as_ref().header.due() <= due {
                    before = Some(head);
                    &raw mut (*parent).rb_right
                } else {
                    &raw mut (*parent).rb_left
                }
            };
        }
        (before, parent, link)
    }

    /// When the first parcel is due.
    pub(crate) fn first_due(&self) -> Option<Instant> {
        let first = self.chain.first?;
        // SAFETY: By the type invariant, this is a valid parcel of ours.
        Some(unsafe { first.as_ref() }.header.due())
    }

    /// Takes the first parcel out. Constant cost, amortized. Any context.
    pub(crate) fn pop_front(&mut self) -> Option<Parcel<H>> {
        let first = self.chain.first?;
        // INVARIANT: The parcel leaves the tree and the chain.
        // SAFETY: By the type invariant its node is in this tree.
        unsafe { bindings::rb_erase(Self::node(first), &mut self.root) };
        self.len = self.len.saturating_sub(1);
        self.chain.pop_front()
    }

    /// Takes all parcels out, in order, and says how many they are. Constant cost. Any context.
    pub(crate) fn take_all(&mut self) -> (Chain<H>, usize) {
        // INVARIANT: None is left. What their nodes say does not matter once they are in no tree.
        self.root = pin_init::zeroed();
        (
            mem::replace(&mut self.chain, Chain::new()),
            mem::take(&mut self.len),
        )
    }

    /// The node of a parcel.
    fn node(head: NonNull<Head<H>>) -> *mut bindings::rb_node {
        head.as_ptr()
            .wrapping_byte_add(mem::offset_of!(Head<H>, node))
            .cast()
    }

    /// The parcel of a node.
    ///
    /// # Safety
    ///
    /// `node` must be the node of a parcel.
    unsafe fn head(node: NonNull<bindings::rb_node>) -> NonNull<Head<H>> {
        // SAFETY: By the safety requirements the parcel begins this much before its node.
        unsafe { node.byte_sub(mem::offset_of!(Head<H>, node)).cast() }
    }
}
