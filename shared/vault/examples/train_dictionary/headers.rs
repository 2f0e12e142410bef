//! The headers of mail in Exchange Online.

use crate::random::Random;
use crate::words::{COMPANIES, FIRST_NAMES, LANGUAGES, LAST_NAMES, Language};

/// What a message says about itself in several places.
pub(crate) struct Message {
    pub language: &'static Language,
    pub from: (String, String),
    pub to: (String, String),
    pub subject: String,
    pub message_id: String,
    pub boundary: String,
    pub is_internal: bool,
    domain: String,
    server: String,
    other_server: String,
    version: String,
}

/// A data centre server name.
fn server(random: &mut Random) -> String {
    let region = random.pick(&["eurprd", "namprd", "apcprd", "gbrprd", "deuprd", "lamprd"]);
    let site = random.pick(&[
        "AM0PR", "DB9PR", "BYAPR", "MN2PR", "DM6PR", "VI1PR", "PAXPR", "SN6PR", "CWLP", "LO2P",
        "FR2P", "BL0PR",
    ]);
    let number = random.below(22);
    format!(
        "{site}{number:02}MB{}.{region}{number:02}.prod.outlook.com",
        1000 + random.below(9000)
    )
}

fn person(random: &mut Random, domain: &str) -> (String, String) {
    let first = random.pick(FIRST_NAMES);
    let last = random.pick(LAST_NAMES);
    let name = if random.chance(50) {
        format!("{first} {last}")
    } else {
        format!("{last}, {first}")
    };
    let address = format!("{}.{}@{domain}", first.to_lowercase(), last.to_lowercase());
    (name, address)
}

impl Message {
    pub(crate) fn new(random: &mut Random) -> Self {
        let language = LANGUAGES
            .get(usize::try_from(random.below(18)).unwrap_or(0))
            .or(LANGUAGES.first())
            .unwrap_or(&crate::words::ENGLISH);
        let company = random.pick(COMPANIES);
        let domain = format!(
            "{company}.{}",
            random.pick(&[
                "com",
                "com",
                "net",
                "org",
                "de",
                "fr",
                "co.uk",
                "onmicrosoft.com"
            ])
        );
        let is_internal = random.chance(55);
        let sender_domain = if is_internal {
            domain.clone()
        } else {
            format!("{}.com", random.pick(COMPANIES))
        };
        let server = server(random);
        let own = server
            .split_once('.')
            .map_or("", |(name, _)| name)
            .to_owned();
        let message_id = if random.chance(70) {
            format!("<{own}{}@{server}>", random.upper_hex(28))
        } else {
            format!("<{}@{sender_domain}>", random.hex(24))
        };
        let topic = random.pick(language.subjects);
        let prefix = if random.chance(40) {
            random.pick(language.prefixes)
        } else {
            ""
        };
        Self {
            from: person(random, &sender_domain),
            to: person(random, &domain),
            subject: format!("{prefix}{topic}"),
            boundary: format!("_000_{own}{}_", random.upper_hex(24)),
            other_server: self::server(random),
            version: format!("15.20.{}.{}", 4000 + random.below(5000), random.below(30)),
            language,
            message_id,
            is_internal,
            domain,
            server,
        }
    }

    pub(crate) fn write_headers(&self, random: &mut Random, content: &str, out: &mut String) {
        self.received(random, out);
        if self.is_internal {
            self.internal(random, out);
        } else {
            self.external(random, out);
        }
        self.visible(random, content, out);
        self.organization(random, out);
        self.filtering(random, out);
        self.cross_tenant(random, out);
        out.push_str("MIME-Version: 1.0\r\n\r\n");
    }

    fn received(&self, random: &mut Random, out: &mut String) {
        let address = |random: &mut Random| {
            format!(
                "2603:10{}:{}:{}::{}",
                random.hex(2),
                random.hex(3),
                random.hex(2),
                random.hex(2)
            )
        };
        let (server, other, version, time) = (
            &self.server,
            &self.other_server,
            &self.version,
            random.time(),
        );
        let (a, b) = (address(random), address(random));
        *out += &format!("Received: from {server} ({a})\r\n by {other} with HTTPS; {time}\r\n");
        *out += &format!(
            "Received: from {server} ({a})\r\n by {other} ({b}) with\r\n Microsoft SMTP Server (version=TLS1_2,\r\n cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id {version}; {}\r\n {time}\r\n",
            random.pick(&["Mon,", "Tue,", "Wed,", "Thu,", "Fri,"])
        );
        if self.is_internal {
            *out += &format!(
                "Received: from {server}\r\n ([fe80::{}:{}:{}:{}]) by {server}\r\n ([fe80::{}:{}:{}:{}%{}]) with mapi id {version}; {time}\r\n",
                random.hex(4),
                random.hex(4),
                random.hex(4),
                random.hex(4),
                random.hex(4),
                random.hex(4),
                random.hex(4),
                random.hex(4),
                random.below(9)
            );
        } else {
            let region = random.pick(&[
                "EUR01-VE1",
                "EUR05-AM6",
                "NAM11-CO1",
                "NAM12-BN8",
                "GBR01-LO2",
                "DEU01-FR2",
            ]);
            let front = format!("{}.mail.protection.outlook.com", region.to_lowercase());
            *out += &format!(
                "Received: from {} ({}.{}.{}.{}) by\r\n {front} ({b}) with Microsoft SMTP\r\n Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id {version} via Frontend\r\n Transport; {time}\r\n",
                random.pick(&[
                    "mail-ej1-f41.example.com",
                    "mx1.example.net",
                    "smtp-out.example.org",
                    "mail.example.com",
                    "outbound.protection.outlook.com"
                ]),
                random.below(255),
                random.below(255),
                random.below(255),
                random.below(255)
            );
        }
    }

    fn internal(&self, random: &mut Random, out: &mut String) {
        *out += "From: ";
        self.mailbox(&self.from, out);
        *out += "To: ";
        self.mailbox(&self.to, out);
        if random.chance(40) {
            *out += "CC: ";
            self.mailbox(&person(random, &self.domain), out);
        }
    }

    fn external(&self, random: &mut Random, out: &mut String) {
        let domain = self.from.1.split('@').nth(1).unwrap_or_default();
        let signed = "From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-AntiSpam-MessageData-ChunkCount:X-MS-Exchange-AntiSpam-MessageData-0:X-MS-Exchange-AntiSpam-MessageData-1";
        let selector = random.pick(&["arcselector10001", "arcselector9901", "arcselector9901"]);
        let (body_hash, b, c) = (random.base64(43), random.base64(342), random.base64(342));
        *out += &format!(
            "ARC-Seal: i=1; a=rsa-sha256; s={selector}; d=microsoft.com; cv=none;\r\n b={b}==\r\n"
        );
        *out += &format!(
            "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=microsoft.com;\r\n s={selector};\r\n h={signed};\r\n bh={body_hash}=;\r\n b={c}==\r\n"
        );
        *out += &format!(
            "ARC-Authentication-Results: i=1; mx.microsoft.com 1; spf=pass\r\n smtp.mailfrom={domain}; dmarc=pass action=none header.from={domain};\r\n dkim=pass header.d={domain}; arc=none\r\n"
        );
        let ip = format!(
            "{}.{}.{}.{}",
            random.below(255),
            random.below(255),
            random.below(255),
            random.below(255)
        );
        *out += &format!(
            "Authentication-Results: spf=pass (sender IP is {ip})\r\n smtp.mailfrom={domain}; dkim=pass (signature was verified)\r\n header.d={domain};dmarc=pass action=none\r\n header.from={domain};compauth=pass reason=100\r\n"
        );
        *out += &format!(
            "Received-SPF: Pass (protection.outlook.com: domain of {domain} designates\r\n {ip} as permitted sender) receiver=protection.outlook.com;\r\n client-ip={ip};\r\n helo={}; pr=C\r\n",
            random.pick(&[
                "mail.example.com;",
                "EUR05-AM6-obe.outbound.protection.outlook.com;",
                "NAM12-BN8-obe.outbound.protection.outlook.com;"
            ])
        );
        *out += &format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain};\r\n s={}; h=From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-SenderADCheck;\r\n bh={body_hash}=;\r\n b={}==\r\n",
            random.pick(&[
                "selector1",
                "selector2",
                "google",
                "s1",
                "default",
                "20230601"
            ]),
            random.base64(342)
        );
        self.internal(random, out);
        if random.chance(25) {
            *out += &format!(
                "List-Unsubscribe: <https://{domain}/unsubscribe?u={}>, <mailto:unsubscribe@{domain}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nPrecedence: bulk\r\nReply-To: <noreply@{domain}>\r\nReturn-Path: bounces+{}@{domain}\r\n",
                random.hex(32),
                random.hex(12)
            );
        }
    }

    fn mailbox(&self, person: &(String, String), out: &mut String) {
        if person.0.contains(',') {
            *out += &format!("\"{}\" <{}>\r\n", person.0, person.1);
        } else {
            *out += &format!("{} <{}>\r\n", person.0, person.1);
        }
    }

    fn visible(&self, random: &mut Random, content: &str, out: &mut String) {
        let boundary = &self.boundary;
        let locale = self.language.locale;
        *out += &format!(
            "Subject: {}\r\nThread-Topic: {}\r\nThread-Index: A{}=\r\nDate: {}\r\nMessage-ID:\r\n {}\r\n",
            self.subject,
            self.subject,
            random.base64(29),
            random.time(),
            self.message_id
        );
        if random.chance(45) {
            let parent = format!("<{}@{}>", random.upper_hex(28), self.server);
            *out += &format!("References: {parent}\r\nIn-Reply-To: {parent}\r\n");
        }
        *out += &format!(
            "Accept-Language: {locale}, en-US\r\nContent-Language: {locale}\r\nX-MS-Has-Attach: {}\r\nX-MS-TNEF-Correlator:\r\n",
            random.pick(&["", "yes"])
        );
        if random.chance(15) {
            *out += &format!(
                "msip_labels: MSIP_Label_{}_ActionId={};MSIP_Label_{}_ContentBits=0;MSIP_Label_{}_Enabled=true;MSIP_Label_{}_Method=Standard;MSIP_Label_{}_Name={};MSIP_Label_{}_SetDate=2026-01-15T08:30:00Z;MSIP_Label_{}_SiteId={};\r\n",
                "label",
                random.guid(),
                "label",
                "label",
                "label",
                "label",
                random.pick(&["Internal", "General", "Confidential", "Public"]),
                "label",
                "label",
                random.guid()
            );
        }
        *out += &match content {
            "multipart/related" => format!(
                "Content-Type: multipart/related;\r\n\tboundary=\"{boundary}\";\r\n\ttype=\"multipart/alternative\"\r\n"
            ),
            "multipart/report" => format!(
                "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n"
            ),
            other => format!("Content-Type: {other};\r\n\tboundary=\"{boundary}\"\r\n"),
        };
    }

    fn organization(&self, random: &mut Random, out: &mut String) {
        let (id, time) = (random.guid(), random.time());
        *out += &format!(
            "X-MS-Exchange-Organization-ExpirationStartTime: {time}\r\nX-MS-Exchange-Organization-ExpirationStartTimeReason: OriginalSubmit\r\nX-MS-Exchange-Organization-ExpirationInterval: 1:00:00:00.0000000\r\nX-MS-Exchange-Organization-ExpirationIntervalReason: OriginalSubmit\r\nX-MS-Exchange-Organization-Network-Message-Id:\r\n {id}\r\nX-EOPAttributedMessage: 0\r\nX-EOPTenantAttributedMessage: {}:0\r\n",
            random.guid()
        );
        if self.is_internal {
            *out += &format!(
                "X-MS-Exchange-Organization-MessageDirectionality: Originating\r\nX-MS-Exchange-Organization-AuthAs: Internal\r\nX-MS-Exchange-Organization-AuthMechanism: 04\r\nX-MS-Exchange-Organization-AuthSource: {}\r\nX-Originating-IP: [{}.{}.{}.{}]\r\n",
                self.server,
                random.below(255),
                random.below(255),
                random.below(255),
                random.below(255)
            );
        } else {
            *out += &format!(
                "X-MS-Exchange-Organization-MessageDirectionality: Incoming\r\nX-MS-Exchange-Organization-AuthSource:\r\n {}\r\nX-MS-Exchange-Organization-AuthAs: Anonymous\r\nX-MS-Exchange-SkipListedInternetSender: ip=[{}.{}.{}.{}];domain=example.com\r\nX-MS-Exchange-ExternalOriginalInternetSender: ip=[10.0.0.1];domain=example.com\r\n",
                self.other_server,
                random.below(255),
                random.below(255),
                random.below(255),
                random.below(255)
            );
        }
        *out += &format!(
            "X-MS-Exchange-Organization-SCL: {}\r\nX-MS-Exchange-Organization-RecordReviewCfmType: 0\r\nX-MS-Exchange-Transport-Forked: True\r\nX-MS-PublicTrafficType: Email\r\nX-MS-Exchange-MessageSentRepresentingType: 1\r\nx-ms-exchange-messagesentrepresentingtype: 1\r\nx-ms-exchange-recallreportgenerated: true\r\n",
            random.pick(&["-1", "1", "5"])
        );
    }

    fn filtering(&self, random: &mut Random, out: &mut String) {
        let short = |server: &str| {
            server
                .split_once('.')
                .map_or(String::new(), |(name, _)| name.to_owned())
        };
        *out += &format!(
            "X-MS-TrafficTypeDiagnostic: {}:EE_|{}:EE_\r\nX-MS-Office365-Filtering-Correlation-Id: {}\r\nX-MS-Exchange-AtpMessageProperties: SA|SL\r\n",
            short(&self.server),
            short(&self.other_server),
            random.guid()
        );
        let rules: Vec<String> = (0..4 + random.below(14))
            .map(|_| {
                random
                    .pick(&[
                        "13230040",
                        "376014",
                        "1800799024",
                        "366016",
                        "38070700018",
                        "8096899003",
                        "4053099003",
                        "7053199007",
                        "69100299015",
                        "82310400026",
                        "41320700013",
                        "7416014",
                        "42112799006",
                        "52116014",
                        "921020",
                        "13003099007",
                        "5073199012",
                        "2040899013",
                        "32650700017",
                        "32142699015",
                    ])
                    .to_owned()
            })
            .collect();
        *out += &format!(
            "X-Microsoft-Antispam: BCL:{};ARA:{};\r\n",
            random.below(8),
            rules.join("|")
        );
        *out += "X-Microsoft-Antispam-Message-Info:\r\n";
        for _ in 0..4 + random.below(16) {
            *out += &format!("\t=?us-ascii?Q?{}?=\r\n", random.base64(60));
        }
        *out += &format!(
            "X-Forefront-Antispam-Report:\r\n\tCIP:{}.{}.{}.{};CTRY:{};LANG:{};SCL:{};SRV:;IPV:NLI;SFV:{};H:{};PTR:{};CAT:NONE;SFS:({});DIR:{};\r\n",
            random.below(255),
            random.below(255),
            random.below(255),
            random.below(255),
            random.pick(&["", "US", "DE", "IE", "NL", "GB", "FR"]),
            self.language.code,
            random.pick(&["1", "-1", "5"]),
            random.pick(&["NSPM", "SKI", "SKN", "SPM"]),
            self.server,
            random.pick(&["", "InfoDomainNonexistent", "mail.example.com"]),
            rules.join(")("),
            random.pick(&["INB", "OUT", "INT"])
        );
        *out += "X-MS-Exchange-AntiSpam-MessageData-ChunkCount: 1\r\nX-MS-Exchange-AntiSpam-MessageData-0:\r\n";
        for _ in 0..3 + random.below(8) {
            *out += &format!(
                "\t=?{}?B?{}?=\r\n",
                random.pick(&["utf-8", "us-ascii", "iso-8859-1", "Windows-1252"]),
                random.base64(56)
            );
        }
    }

    fn cross_tenant(&self, random: &mut Random, out: &mut String) {
        let (tenant, id) = (random.guid(), random.guid());
        let now = random.time();
        *out += &format!(
            "X-MS-Exchange-Transport-CrossTenantHeadersStamped: {}\r\nX-OriginatorOrg: {}\r\nX-MS-Exchange-CrossTenant-AuthAs: {}\r\nX-MS-Exchange-CrossTenant-AuthSource: {}\r\nX-MS-Exchange-CrossTenant-Network-Message-Id: {id}\r\nX-MS-Exchange-CrossTenant-originalarrivaltime: {now} (UTC)\r\nX-MS-Exchange-CrossTenant-fromentityheader: {}\r\nX-MS-Exchange-CrossTenant-id: {tenant}\r\n",
            self.server,
            self.domain,
            random.pick(&["Internal", "Anonymous"]),
            self.server,
            random.pick(&["Hosted", "Internet"])
        );
        if self.is_internal {
            *out += &format!(
                "X-MS-Exchange-CrossTenant-mailboxtype: HOSTED\r\nX-MS-Exchange-CrossTenant-userprincipalname: {}==\r\n",
                random.base64(86)
            );
        }
        *out += &format!(
            "X-MS-Exchange-Transport-EndToEndLatency: 00:00:0{}.{}\r\nX-MS-Exchange-Processed-By-BccFoldering: {}\r\nX-Microsoft-Antispam-Mailbox-Delivery:\r\n\tucf:0;jmr:0;auth:0;dest:{};ENG:(910001)(944506478)(944626604)(920097)(930097)(140003)(1420198);\r\n",
            random.below(9),
            random.token("0123456789", 7),
            self.version,
            random.pick(&["I", "J", "C"])
        );
    }
}
