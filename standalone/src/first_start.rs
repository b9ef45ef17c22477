//! Creates the first users of a new database, so that it can be tried at once.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use shared::clock::Millis;
use shared::config::DatabaseUrl;
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
    demo: Option<Demo>,
}

/// Creates the user `admin`, and `demo` if asked to, if there are no users.
pub async fn make_users(
    store: &Store,
    random: &Random,
    now: Millis,
    with_demo: bool,
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
    if !with_demo {
        return Ok(Some(FirstUsers { admin, demo: None }));
    }
    let (id, token) = make("demo", Role::User, Quota::try_from(DEMO_QUOTA)?).await?;
    let key = Secret::api_key(random);
    let first = NewKey::new(id, "first key", key.digest());
    store.create_key(first, now).await?;
    let demo = Some(Demo { id, token, key });
    Ok(Some(FirstUsers { admin, demo }))
}

/// A user with a key, to try the program.
struct Demo {
    id: UserId,
    token: Secret,
    key: Secret,
}

impl FirstUsers {
    /// Prints the users' ids and secrets, and requests to paste. Where nobody reads along, stdout is a log that many
    /// may read and that is kept: there the words go into a file beside the database, which only its owner may read,
    /// and the log names the file.
    pub fn introduce(&self, url: &str, database: &DatabaseUrl) {
        let words = self.words(url);
        if io::stdout().is_terminal() {
            print(&words);
            return;
        }
        let file = secrets_file(database);
        match write_private(&file, &words) {
            Ok(()) => print(&format!(
                "This is the first start. The secrets of its users are in {}",
                file.display()
            )),
            Err(error) => tracing::error!(
                file = %file.display(), %error,
                "this is the first start, so users were made; the file for their secrets could not be written, so these are \
                 lost: `user list` shows the users, `user rotate-token` and `key create` make other secrets"
            ),
        }
    }

    fn words(&self, url: &str) -> String {
        let (admin, admin_token) = (&self.admin.0, self.admin.1.expose());
        let Some(Demo { id, token, key }) = &self.demo else {
            return format!(
                "
This is the first start, so a user was made. The secret is shown this once:

  admin  New-Api-User: {admin}   access token: {admin_token}

  curl {url}/api/task/ -H 'Authorization: Bearer {admin_token}' -H 'New-Api-User: {admin}'
"
            );
        };
        let (token, key) = (token.expose(), key.expose());
        format!(
            "
This is the first start, so two users were made. Their secrets are shown this once:

  admin  New-Api-User: {admin}   access token: {admin_token}
  demo   New-Api-User: {id}   access token: {token}
         API key: {key}

Make a song, then list your tasks:

  curl {url}/suno/submit/music -H 'Authorization: Bearer {key}' \\
       -H 'Content-Type: application/json' -d '{{\"gpt_description_prompt\":\"a slow blues about rain\"}}'

  curl {url}/api/task/self -H 'Authorization: Bearer {token}' -H 'New-Api-User: {id}'
"
        )
    }
}

/// The file for the secrets of a first start: beside the file of the database.
fn secrets_file(database: &DatabaseUrl) -> PathBuf {
    const NAME: &str = "first-start-secrets.txt";
    let file = match database {
        DatabaseUrl::Sqlite(file) => file.with_file_name(NAME),
        DatabaseUrl::Postgres(_) => NAME.into(),
    };
    std::path::absolute(&file).unwrap_or(file)
}

/// Writes a file that only its owner may read. Replaces what a file of that name held.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut open = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    // A file that was there before has its old mode.
    open.set_permissions(Permissions::from_mode(0o600))?;
    open.write_all(text.as_bytes())?;
    open.sync_all()
}
