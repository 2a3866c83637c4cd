// SPDX-License-Identifier: GPL-2.0

//! [`AsyncGroup`] with the module; `vm.sh` runs it.

use lgroups::{AsyncGroup, Group};
use std::time::Duration;
use tokio::time::{sleep, timeout};

fn new(name: &str) -> AsyncGroup {
    let id = format!("async-{name}-{}", std::process::id());
    AsyncGroup::new(Group::install(id).expect("install")).expect("new")
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
#[ignore = "needs the module"]
async fn receive_waits_for_a_message() {
    let group = new("receive");
    assert!(timeout(SHORT, group.receive()).await.is_err());
    group.group().send(b"one").expect("send");
    group.group().send(b"two").expect("send");
    for expected in [b"one", b"two"] {
        let message = timeout(LONG, group.receive()).await.expect("in time");
        assert_eq!(message.expect("receive"), expected);
    }
    let send_late = async {
        sleep(SHORT).await;
        group.send(b"late").await.expect("send");
    };
    let (message, ()) = tokio::join!(timeout(LONG, group.receive()), send_late);
    assert_eq!(message.expect("in time").expect("receive"), b"late");
}

#[tokio::test]
#[ignore = "needs the module"]
async fn a_delayed_message_is_waited_for() {
    let group = new("delay");
    group.group().set_delay(SHORT).expect("set_delay");
    group.send(b"late").await.expect("send");
    let message = timeout(LONG, group.receive()).await.expect("in time");
    assert_eq!(message.expect("receive"), b"late");
}

#[tokio::test]
#[ignore = "needs the module"]
async fn send_waits_for_room() {
    let group = new("send");
    // 10000 bytes in all.
    for _ in 0..100 {
        group.send(&[1; 100]).await.expect("send");
    }
    assert!(timeout(SHORT, group.send(&[2; 100])).await.is_err());
    let receive_late = async {
        sleep(SHORT).await;
        group.receive().await.expect("receive")
    };
    let (sent, first) = tokio::join!(timeout(LONG, group.send(&[3; 100])), receive_late);
    sent.expect("in time").expect("send");
    assert_eq!(first, [1; 100]);
    let group = group.into_group();
    let mut last = Vec::new();
    while let Some(message) = group.receive().expect("receive") {
        last = message;
    }
    assert_eq!(last, [3; 100]);
}
