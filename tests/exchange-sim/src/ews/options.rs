//! What an Exchange organisation starts with, and how its servers behave.

use serde::{Deserialize, Serialize};

/// Versions of Exchange that run on premises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeVersion {
    /// Exchange 2013 with its first service pack.
    Exchange2013,
    /// Exchange 2016.
    Exchange2016,
    /// Exchange 2019 and Subscription Edition.
    #[default]
    SubscriptionEdition,
}

/// Schema versions in their order; a server knows those up to its own.
const SCHEMAS: &[&str] = &[
    "Exchange2007",
    "Exchange2007_SP1",
    "Exchange2010",
    "Exchange2010_SP1",
    "Exchange2010_SP2",
    "Exchange2013",
    "Exchange2013_SP1",
    "Exchange2015",
    "Exchange2016",
    "V2015_10_05",
    "V2016_01_06",
    "V2016_04_13",
    "V2016_07_13",
    "V2016_10_10",
    "V2017_01_07",
    "V2017_04_14",
    "V2017_07_11",
];

/// The place of a schema version in their order.
pub(crate) fn schema_rank(name: &str) -> Option<usize> {
    SCHEMAS.iter().position(|one| *one == name)
}

impl ExchangeVersion {
    /// The newest schema version that the server knows.
    pub(crate) fn newest_schema(self) -> &'static str {
        match self {
            Self::Exchange2013 => "Exchange2013_SP1",
            Self::Exchange2016 | Self::SubscriptionEdition => "V2017_07_11",
        }
    }

    /// Major, minor, build and revision.
    pub(crate) fn build(self) -> [&'static str; 4] {
        match self {
            Self::Exchange2013 => ["15", "0", "1497", "2"],
            Self::Exchange2016 => ["15", "1", "2507", "6"],
            Self::SubscriptionEdition => ["15", "2", "2562", "17"],
        }
    }
}

/// Ways in which servers differ from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dialect {
    /// Other prefixes than `s`, `m` and `t`.
    pub other_prefixes: bool,
    /// Times with nine digits behind the second.
    pub nanoseconds: bool,
    /// A first synchronisation begins with the oldest item.
    pub oldest_first: bool,
    /// Faults come with status 200.
    pub faults_with_ok: bool,
    /// No SOAP header.
    pub no_header: bool,
    /// No root folder in the listing of an empty folder.
    pub no_empty_root: bool,
}

/// Which logins the server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Logins {
    /// NTLM.
    pub ntlm: bool,
    /// Basic.
    pub basic: bool,
    /// OAuth 2.0.
    pub bearer: bool,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            ntlm: true,
            basic: true,
            bearer: true,
        }
    }
}

/// What the service account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceRights {
    /// It has the role `ApplicationImpersonation`.
    pub impersonation: bool,
    /// It has full access to every mailbox.
    pub full_access: bool,
}

impl Default for ServiceRights {
    fn default() -> Self {
        Self {
            impersonation: true,
            full_access: false,
        }
    }
}

/// An Exchange organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeOptions {
    /// The servers' version.
    pub version: ExchangeVersion,
    /// How they write.
    pub dialect: Dialect,
    /// Logins.
    pub logins: Logins,
    /// The service account's rights.
    pub rights: ServiceRights,
    /// Calls at once within one budget.
    pub concurrent: u32,
    /// Mailboxes that hold the public folders; from two on calls have to be routed.
    pub public_mailboxes: u32,
    /// Serve with a certificate of an authority of the tenant's own instead of in the clear.
    pub tls: bool,
    /// Put items of every class into the first mailbox.
    pub samples: bool,
}

impl Default for ExchangeOptions {
    fn default() -> Self {
        Self {
            version: ExchangeVersion::default(),
            dialect: Dialect::default(),
            logins: Logins::default(),
            rights: ServiceRights::default(),
            concurrent: 5,
            public_mailboxes: 1,
            tls: false,
            samples: true,
        }
    }
}
