//! The Broker on `RabbitMQ`, where `AMQP_URL` says.

mod loss;
mod parking;
mod start;
mod topology;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use harness::folder::unique;
use harness::proxy::Proxy;
use harness::servers::amqp_of_environment;
use lapin::options::{ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use shared::broker::rabbitmq::{Parking, RabbitMq, RabbitMqOptions};
use shared::broker::{Result, SharedBroker};
use shared::random::Random;
use shared::secret::Secret;
use shared::task::wait::Rung;
use tokio::time::{Instant, sleep};

use crate::contract::Bench;

crate::the_whole_contract!(super::Topology::new());

/// How long a very busy `RabbitMQ` may refuse to declare a queue.
const LONGEST_START: Duration = Duration::from_mins(1);
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Exchanges and queues of one test's own, deleted at its end.
struct Topology {
    prefix: String,
    url: String,
}

#[async_trait]
impl Bench for Topology {
    async fn connect(&self) -> SharedBroker {
        Arc::new(self.broker(&self.url).await)
    }
}

impl Topology {
    fn new() -> Self {
        Self {
            prefix: format!("test-{}", unique()),
            url: amqp_of_environment().into(),
        }
    }

    async fn connect_to(&self, url: &str) -> Result<RabbitMq> {
        RabbitMq::connect(self.options(url)).await
    }

    /// Tries again as programs do: a `RabbitMQ` that is very busy may refuse to declare a queue.
    async fn broker(&self, url: &str) -> RabbitMq {
        let started = Instant::now();
        loop {
            match self.connect_to(url).await {
                Ok(broker) => return broker,
                Err(_) if started.elapsed() < LONGEST_START => sleep(TRY_AGAIN).await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn options(&self, url: &str) -> RabbitMqOptions {
        RabbitMqOptions {
            url: Secret::new(url),
            prefix: self.prefix.clone(),
            program: "worker",
            random: Arc::new(Random::seeded(1)),
        }
    }

    /// An operator at the parking queue.
    async fn parking(&self) -> Parking {
        let parking = Parking::open(self.options(&self.url)).await;
        parking.expect("there is a parking queue")
    }

    /// A Broker behind a wire that can be cut.
    async fn behind_a_proxy(&self) -> (SharedBroker, Proxy) {
        let (proxy, url) = self.proxy().await;
        (Arc::new(self.broker(&url).await), proxy)
    }

    /// A wire to `RabbitMQ`, and the URL of its near end.
    async fn proxy(&self) -> (Proxy, String) {
        let mut uri: AMQPUri = self.url.parse().expect("AMQP_URL should be a URL");
        let server = format!("{}:{}", uri.authority.host, uri.authority.port);
        let proxy = Proxy::to(server).await;
        proxy.record();
        let address: SocketAddr = proxy.address().parse().expect("an address");
        uri.authority.host = address.ip().to_string();
        uri.authority.port = address.port();
        (proxy, uri.to_string())
    }

    /// A channel of the test's own, to do what an operator or an accident may do.
    async fn channel(&self) -> Channel {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await;
        let connection = connection.expect("AMQP_URL should lead to RabbitMQ");
        let channel = connection.create_channel().await.expect("a channel");
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .expect("confirms");
        channel
    }

    /// The whole name of one of its queues or exchanges.
    fn name(&self, rest: &str) -> String {
        format!("{}.{rest}", self.prefix)
    }

    /// Deletes one of its queues, as an operator may.
    async fn delete_queue(&self, rest: &str) {
        let channel = self.channel().await;
        let queue = self.name(rest).into();
        let deleted = channel.queue_delete(queue, QueueDeleteOptions::default());
        deleted.await.expect("a queue deleted");
    }

    async fn delete(&self) {
        let channel = self.channel().await;
        let waiting = Rung::LADDER.map(|rung| format!("delay.{}s", rung.seconds()));
        let queues = ["submit", "poll", "parking"].map(str::to_owned);
        let exchanges = ["work", "dead"].map(str::to_owned);
        for queue in waiting.iter().chain(&queues) {
            let queue = self.name(queue).into();
            let deleted = channel.queue_delete(queue, QueueDeleteOptions::default());
            deleted.await.expect("a queue deleted");
        }
        for exchange in waiting.iter().chain(&exchanges) {
            let exchange = self.name(exchange).into();
            let deleted = channel.exchange_delete(exchange, ExchangeDeleteOptions::default());
            deleted.await.expect("an exchange deleted");
        }
    }
}

impl Drop for Topology {
    /// Deletes the exchanges and queues, however the test ends.
    fn drop(&mut self) {
        let delete = || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().expect("a runtime starts");
            runtime.block_on(self.delete());
        };
        // In a thread of its own: the runtime of the test cannot wait here.
        let deleted = std::thread::scope(|scope| scope.spawn(delete).join());
        assert!(deleted.is_ok() || std::thread::panicking());
    }
}
