//! Creates the first users of a new database, so that it can be tried at once.

use shared::clock::Millis;
use shared::process::Failed;
use shared::process::start::print;
use shared::random::Random;
use shared::secret::Secret;
use shared::store::Store;
use shared::store::accounts::{NewKey, NewUser, Role};
use shared::task::{Quota, UserId};

/// The quota of the user `demo`: 66 songs at the initial prices.
const DEMO_QUOTA: i64 = 10_000_000;

/// The users of a first start, with their secrets, which the database does not hold.
pub struct FirstUsers {
    admin: (UserId, Secret),
    demo: (UserId, Secret),
    key: Secret,
}

/// Creates the users `admin` and `demo` if there are no users.
pub async fn make_users(
    store: &Store,
    random: &Random,
    now: Millis,
) -> Result<Option<FirstUsers>, Failed> {
    if !store.users().await?.is_empty() {
        return Ok(None);
    }
    let make = async |name: &str, role: Role, quota: Quota| -> Result<_, Failed> {
        let token = Secret::access_token(random);
        let user = NewUser {
            name: name.to_owned(),
            role,
            quota,
            token: token.digest(),
        };
        let id = store.create_user(user, now).await?;
        Ok((
            id.ok_or("another start made the first users just now; start again")?,
            token,
        ))
    };
    let admin = make("admin", Role::Admin, Quota::ZERO).await?;
    let demo = make("demo", Role::User, Quota::try_from(DEMO_QUOTA)?).await?;
    let key = Secret::api_key(random);
    let first = NewKey::new(demo.0, "first key", key.digest());
    store.create_key(first, now).await?;
    Ok(Some(FirstUsers { admin, demo, key }))
}

impl FirstUsers {
    /// Prints the users' ids and secrets, and requests to paste.
    pub fn introduce(&self, url: &str) {
        let (admin, admin_token) = (&self.admin.0, self.admin.1.expose());
        let (demo, demo_token) = (&self.demo.0, self.demo.1.expose());
        let key = self.key.expose();
        print(&format!(
            "
This is the first start, so two users were made. Their secrets are shown this once:

  admin  New-Api-User: {admin}   access token: {admin_token}
  demo   New-Api-User: {demo}   access token: {demo_token}
         API key: {key}

Make a song, then list your tasks:

  curl {url}/suno/submit/music -H 'Authorization: Bearer {key}' \\
       -H 'Content-Type: application/json' -d '{{\"gpt_description_prompt\":\"a slow blues about rain\"}}'

  curl {url}/api/task/self -H 'Authorization: Bearer {demo_token}' -H 'New-Api-User: {demo}'
"
        ));
    }
}
