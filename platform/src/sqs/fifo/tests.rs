use super::*;
use model::random::Stream;
use model::time::{HOUR, MINUTE};

const TIMEOUT: Nanos = 30 * SECOND;

fn queue() -> Fifo<u64> {
    Fifo::new(scenario::Queue::default())
}

fn send(queue: &mut Fifo<u64>, now: Nanos, group: &str, payload: u64) -> Sent {
    let id = MessageId(u128::from(payload));
    queue.send(now, Sending { payload, id, group, deduplication_id: &payload.to_string() })
}

/// What came, with its receipts.
fn receive(queue: &mut Fifo<u64>, now: Nanos, most: u32) -> Vec<(u64, Receipt)> {
    retry(queue, now, most, None)
}

fn retry(queue: &mut Fifo<u64>, now: Nanos, most: u32, attempt: Option<&str>) -> Vec<(u64, Receipt)> {
    queue.advance(now);
    let mut got = Vec::new();
    queue.receive(now, most, TIMEOUT, attempt, |received, _, &mut payload| {
        assert_eq!(received.visible_at, now + TIMEOUT);
        got.push((payload, received.receipt));
    });
    got
}

fn payloads(got: &[(u64, Receipt)]) -> Vec<u64> {
    got.iter().map(|&(payload, _)| payload).collect()
}

#[test]
fn a_group_is_received_in_order_and_waits_for_what_is_in_flight() {
    let mut q = queue();
    for (group, payload) in [("a", 1), ("b", 2), ("a", 3), ("a", 4)] {
        assert_eq!(send(&mut q, payload, group, payload), Sent::Accepted { sequence: payload });
    }
    let first = receive(&mut q, 10, 2);
    assert_eq!(payloads(&first), [1, 3], "as many of one group as there are");
    assert_eq!((q.visible(), q.in_flight()), (2, 2), "what waits for its group counts as visible");
    let second = receive(&mut q, 11, 10);
    assert_eq!(payloads(&second), [2], "the rest of group a waits");
    assert!(!q.has_ready());
    assert_eq!(q.delete(first[1].1), Ok(Some(3)));
    assert!(receive(&mut q, 12, 10).is_empty(), "1 is in flight still");
    assert_eq!(q.delete(first[0].1), Ok(Some(1)));
    assert_eq!(payloads(&receive(&mut q, 13, 10)), [4]);
    assert_eq!(q.delete(first[0].1), Ok(None), "deleting again does nothing");
}

#[test]
fn groups_come_in_the_order_of_their_first_messages() {
    let mut q = queue();
    for (group, payload) in [("z", 1), ("a", 2), ("m", 3), ("z", 4)] {
        send(&mut q, 0, group, payload);
    }
    assert_eq!(payloads(&receive(&mut q, 1, 10)), [1, 4, 2, 3]);
}

/// As recorded from AWS: three messages of a group in flight, one of them for longer than the others.
#[test]
fn messages_behind_one_in_flight_wait_though_their_own_timeout_has_passed() {
    for (longer, left) in [(0, vec![]), (1, vec![1]), (2, vec![1, 2])] {
        let mut q = queue();
        for payload in 1..=3 {
            send(&mut q, 0, "g", payload);
        }
        let got = receive(&mut q, 0, 10);
        assert!(q.change_visibility(0, got[longer].1, HOUR));
        assert_eq!(payloads(&receive(&mut q, TIMEOUT, 10)), left, "message {longer} is hidden longer");
    }
}

#[test]
fn a_message_comes_back_in_its_place_and_its_receipt_has_expired() {
    let mut q = queue();
    send(&mut q, 0, "g", 1);
    send(&mut q, 0, "g", 2);
    let first = receive(&mut q, 0, 1)[0].1;
    q.advance(TIMEOUT);
    assert_eq!(q.delete(first), Err(Expired), "visible again");
    assert!(!q.change_visibility(TIMEOUT, first, HOUR));
    let again = receive(&mut q, TIMEOUT, 10);
    assert_eq!(payloads(&again), [1, 2]);
    assert_eq!(q.delete(first), Err(Expired), "received again");
    assert!(q.is_there(first));
    // Visible at once when its timeout is set to nothing.
    assert!(q.change_visibility(TIMEOUT + 1, again[0].1, 0));
    assert_eq!(payloads(&receive(&mut q, TIMEOUT + 1, 10)), [1]);
}

#[test]
fn a_duplicate_within_five_minutes_is_answered_with_the_original() {
    let mut q = queue();
    assert_eq!(send(&mut q, 0, "a", 7), Sent::Accepted { sequence: 1 });
    let got = receive(&mut q, 0, 10);
    q.delete(got[0].1).unwrap();
    let original = Sent::Duplicate { id: MessageId(7), sequence: 1 };
    assert_eq!(send(&mut q, MINUTE, "b", 7), original, "even when it is deleted, and whatever the group");
    assert_eq!(send(&mut q, DEDUPLICATION_INTERVAL - 1, "a", 7), original, "duplicates do not prolong it");
    assert_eq!(send(&mut q, DEDUPLICATION_INTERVAL, "a", 7), Sent::Accepted { sequence: 2 });
    assert_eq!(q.clear(), [7]);
    assert!(matches!(send(&mut q, DEDUPLICATION_INTERVAL, "a", 7), Sent::Duplicate { .. }));
}

#[test]
fn duplicates_can_be_those_of_a_group_only() {
    let mut q = queue();
    q.set_scope(Scope::MessageGroup);
    assert!(matches!(send(&mut q, 0, "a", 7), Sent::Accepted { .. }));
    assert!(matches!(send(&mut q, 0, "b", 7), Sent::Accepted { .. }));
    assert!(matches!(send(&mut q, 0, "b", 7), Sent::Duplicate { sequence: 2, .. }));
}

#[test]
fn a_receive_that_is_tried_again_returns_the_same_receipts() {
    let mut q = queue();
    for payload in 1..=2 {
        send(&mut q, 0, "g", payload);
    }
    let first = retry(&mut q, 0, 10, Some("attempt"));
    assert_eq!(payloads(&first), [1, 2]);
    let again = retry(&mut q, 20 * SECOND, 10, Some("attempt"));
    assert_eq!(again, first, "{again:?}");
    assert!(retry(&mut q, 40 * SECOND, 10, Some("another")).is_empty(), "the timeout began anew");
    assert!(q.change_visibility(41 * SECOND, first[0].1, TIMEOUT));
    assert!(retry(&mut q, 42 * SECOND, 10, Some("attempt")).is_empty(), "its visibility was changed");
}

#[test]
fn a_receive_cannot_be_tried_again_after_a_delete_or_after_five_minutes() {
    let mut q = queue();
    for payload in 1..=2 {
        send(&mut q, 0, "g", payload);
    }
    let first = retry(&mut q, 0, 10, Some("attempt"));
    assert!(q.change_visibility(0, first[0].1, HOUR), "so that it does not come back by itself");
    q.delete(first[1].1).unwrap();
    assert!(retry(&mut q, 1, 10, Some("attempt")).is_empty());
    send(&mut q, 2, "h", 3);
    q.advance(2);
    q.receive(2, 10, HOUR, Some("attempt"), |_, _, _| {});
    assert!(retry(&mut q, 2 + DEDUPLICATION_INTERVAL, 10, Some("attempt")).is_empty());
}

#[test]
fn dead_letters_leave_their_group_and_it_goes_on() {
    let mut q = Fifo::new(scenario::Queue { max_receive_count: Some(1), ..scenario::Queue::default() });
    send(&mut q, 0, "g", 1);
    let first = receive(&mut q, 0, 10);
    send(&mut q, 1, "g", 2);
    assert_eq!(payloads(&receive(&mut q, TIMEOUT, 10)), [2]);
    let gone: Vec<_> = q.departures().collect();
    assert_eq!((gone.len(), gone[0].payload, gone[0].to), (1, 1, Destination::DeadLetterQueue));
    assert_eq!((gone[0].message, gone[0].receive_count), (Some(first[0].1.message()), 1));
    assert_eq!(q.delete(first[0].1), Ok(None));
    // In the other queue it takes its place at the end, with the time at which it was sent.
    let mut letters = queue();
    send(&mut letters, 5, "g", 9);
    assert_eq!(letters.restore(6, 1, "g", 0), 2);
    assert_eq!(letters.oldest_sent_at(), Some(0));
    assert_eq!(payloads(&receive(&mut letters, 7, 10)), [9, 1]);
}

#[test]
fn old_messages_expire_by_themselves_and_when_they_are_received() {
    let mut q = Fifo::new(scenario::Queue { retention: HOUR, ..scenario::Queue::default() });
    send(&mut q, 0, "a", 1);
    send(&mut q, 0, "b", 2);
    send(&mut q, 1, "b", 3);
    q.expire(HOUR);
    let gone: Vec<u64> = q.departures().map(|gone| gone.payload).collect();
    assert_eq!((gone, q.visible()), (vec![1, 2], 1));
    assert!(receive(&mut q, HOUR + 1, 10).is_empty());
    assert!(q.departures().all(|gone| gone.to == Destination::Expired && gone.payload == 3));
    assert_eq!((q.visible(), q.has_ready()), (0, false));
}

#[test]
fn a_delay_hides_messages_and_a_new_one_counts_at_once() {
    let mut q = Fifo::new(scenario::Queue { delay: 10 * SECOND, ..scenario::Queue::default() });
    send(&mut q, 0, "g", 1);
    assert_eq!((q.delayed(), q.next_timer()), (1, 10 * SECOND));
    assert!(receive(&mut q, 9 * SECOND, 10).is_empty());
    q.set_attributes(scenario::Queue { delay: 20 * SECOND, ..q.attributes() });
    assert!(receive(&mut q, 10 * SECOND, 10).is_empty());
    assert_eq!(payloads(&receive(&mut q, 20 * SECOND, 10)), [1]);
    assert_eq!(q.delayed(), 0);
}

#[test]
fn the_in_flight_limit_holds_without_an_error() {
    let mut q = queue();
    for payload in 0..=IN_FLIGHT_LIMIT {
        send(&mut q, 0, "g", payload);
    }
    assert_eq!(receive(&mut q, 0, u32::MAX).len() as u64, IN_FLIGHT_LIMIT);
    send(&mut q, 0, "h", IN_FLIGHT_LIMIT + 1);
    assert!(receive(&mut q, 0, 10).is_empty());
}

/// Whatever happens, what is in the queue is what was sent and not deleted, and each group is left in order.
#[test]
fn random_worlds_keep_their_groups_in_order() {
    for seed in 0..300 {
        let mut world = World {
            stream: Stream::new(seed, "fifo"),
            q: queue(),
            now: 0,
            held: vec![],
            sent: BTreeMap::new(),
        };
        for _ in 0..200 {
            world.step();
        }
        world.finish();
    }
}

struct World {
    stream: Stream,
    q: Fifo<u64>,
    now: Nanos,
    held: Vec<(u64, Receipt)>,
    /// What is in the queue, by group: a payload says its group by its remainder.
    sent: BTreeMap<u64, VecDeque<u64>>,
}

impl World {
    fn step(&mut self) {
        self.now += self.stream.between(0, 20) * SECOND;
        self.q.advance(self.now);
        let choice = self.stream.between(0, 3);
        match self.stream.between(0, 4) {
            0 | 1 => {
                let payload = self.sent.values().flatten().max().map_or(0, |last| last / 4 + 1) * 4 + choice;
                if matches!(send(&mut self.q, self.now, &choice.to_string(), payload), Sent::Accepted { .. })
                {
                    self.sent.entry(choice).or_default().push_back(payload);
                }
            }
            2 => self.held.extend(receive(&mut self.q, self.now, 1 + choice as u32)),
            _ if self.held.is_empty() => {}
            3 => {
                let (payload, receipt) = self.held.remove(0);
                if self.q.delete(receipt) == Ok(Some(payload)) {
                    self.sent.get_mut(&(payload % 4)).unwrap().retain(|&other| other != payload);
                }
            }
            _ => _ = self.q.change_visibility(self.now, self.held[0].1, choice * SECOND),
        }
        let left: u64 = self.sent.values().map(|group| group.len() as u64).sum();
        assert_eq!(self.q.visible() + self.q.in_flight() + self.q.delayed(), left);
    }

    fn finish(mut self) {
        self.now += HOUR;
        while let Some(&(payload, receipt)) = receive(&mut self.q, self.now, 1).first() {
            assert_eq!(self.sent.get_mut(&(payload % 4)).unwrap().pop_front(), Some(payload));
            assert_eq!(self.q.delete(receipt), Ok(Some(payload)));
        }
        assert!(self.sent.values().all(VecDeque::is_empty));
        assert_eq!(
            (self.q.groups.len(), self.q.ready.len()),
            (0, 0),
            "nothing is left of groups that are empty"
        );
    }
}
