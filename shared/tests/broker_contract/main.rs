//! Every sentence of the Broker's contract (`shared/src/broker/mod.rs`), over every Broker; and what
//! only a broker that is a server can do to us.
//!
//! `RabbitMQ` is where `AMQP_URL` says; `scripts/test` starts one. Each test has its own prefix, and
//! deletes its queues and exchanges.

mod contract;
mod in_process;
mod messages;
mod rabbitmq;

/// A test of the Broker that `$bench` makes for each function.
macro_rules! fulfils {
    ($bench:expr, $($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                crate::contract::$name(&$bench).await;
            }
        )*
    };
}

/// Every test in [`contract`]. The compiler reports a function that is missing here as unused.
macro_rules! the_whole_contract {
    ($bench:expr) => {
        mod fulfils {
            crate::fulfils! {
                $bench,
                a_published_message_arrives_once_and_as_it_was_sent
                a_batch_goes_each_to_its_queue
                an_empty_batch_is_no_work
                many_publish_at_once
                a_delayed_message_arrives_after_its_delay_where_it_belongs
                a_short_delay_overtakes_a_long_one
                a_consumer_holds_no_more_than_its_prefetch
                a_slow_message_does_not_hold_back_the_others
                an_acknowledged_message_is_gone
                a_requeued_message_is_delivered_again
                a_message_that_is_dropped_is_requeued
                a_message_that_comes_back_too_often_is_parked
                a_parked_message_waits_for_an_operator
                a_dropped_next_has_taken_no_message
                a_stopped_consumer_takes_nothing_new_and_ends_what_it_has
                a_consumer_that_is_dropped_gives_back_what_nobody_took
                close_ends_consumers_and_gives_back_what_they_hold
                close_sends_the_acknowledgements_first
                a_closed_broker_does_nothing_more
                two_consumers_share_a_queue
                depths_tell_every_queue
                a_broker_that_is_there_answers
            }
        }
    };
}

use {fulfils, the_whole_contract};
