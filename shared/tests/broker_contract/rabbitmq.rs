//! The Broker on `RabbitMQ`, where `AMQP_URL` says.

mod loss;
mod parking;
mod start;
mod topology;
mod wire;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
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

use crate::contract::Bench;
use crate::the_whole_contract;

the_whole_contract!();

/// Exchanges and queues of one test's own.
struct Topology {
    prefix: String,
    url: String,
}

#[async_trait]
impl Bench for Topology {
    async fn connect(&self) -> SharedBroker {
        Arc::new(self.connect_to(&self.url).await.expect("a broker"))
    }
}

impl Topology {
    async fn connect_to(&self, url: &str) -> Result<RabbitMq> {
        RabbitMq::connect(self.options(url)).await
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
        let broker = self.connect_to(&url).await.expect("a broker");
        (Arc::new(broker), proxy)
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

    async fn delete(&self) {
        let channel = self.channel().await;
        let waiting = Rung::LADDER.map(|rung| format!("delay.{}s", rung.seconds()));
        let queues = ["submit", "poll", "parking"].map(str::to_owned);
        let exchanges = ["work", "dead"].map(str::to_owned);
        for queue in waiting.iter().chain(&queues) {
            let deleted =
                channel.queue_delete(self.name(queue).into(), QueueDeleteOptions::default());
            deleted.await.expect("a queue deleted");
        }
        for exchange in waiting.iter().chain(&exchanges) {
            let deleted = channel
                .exchange_delete(self.name(exchange).into(), ExchangeDeleteOptions::default());
            deleted.await.expect("an exchange deleted");
        }
    }
}

/// Runs a test on a topology of its own, and deletes it, however the test ends.
async fn on_a_topology(test: impl AsyncFnOnce(&Topology)) {
    let topology = Topology {
        prefix: format!("test-{}", unique()),
        url: amqp_of_environment().into(),
    };
    let tested = AssertUnwindSafe(test(&topology)).catch_unwind().await;
    topology.delete().await;
    if let Err(panic) = tested {
        std::panic::resume_unwind(panic);
    }
}

async fn on_a_bench(test: impl AsyncFnOnce(&dyn Bench)) {
    on_a_topology(async |topology| test(topology).await).await;
}
