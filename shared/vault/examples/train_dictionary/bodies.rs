//! What mail programs put below the headers.

use crate::headers::Message;
use crate::random::Random;

/// The styles that Word writes into every mail that Outlook composes.
const WORD_HEAD: &str = "<html xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\" xmlns:w=\"urn:schemas-microsoft-com:office:word\" xmlns:m=\"http://schemas.microsoft.com/office/2004/12/omml\" xmlns=\"http://www.w3.org/TR/REC-html40\">\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=us-ascii\">\r\n<meta name=\"Generator\" content=\"Microsoft Word 15 (filtered medium)\">\r\n<!--[if !mso]><style>v\\:* {behavior:url(#default#VML);}\r\no\\:* {behavior:url(#default#VML);}\r\nw\\:* {behavior:url(#default#VML);}\r\n.shape {behavior:url(#default#VML);}\r\n</style><![endif]--><style><!--\r\n/* Font Definitions */\r\n@font-face\r\n\t{font-family:\"Cambria Math\";\r\n\tpanose-1:2 4 5 3 5 4 6 3 2 4;}\r\n@font-face\r\n\t{font-family:Calibri;\r\n\tpanose-1:2 15 5 2 2 2 4 3 2 4;}\r\n@font-face\r\n\t{font-family:Aptos;\r\n\tpanose-1:2 11 0 4 2 2 2 2 2 4;}\r\n@font-face\r\n\t{font-family:\"Segoe UI\";\r\n\tpanose-1:2 11 5 2 4 2 4 2 2 3;}\r\n@font-face\r\n\t{font-family:Tahoma;\r\n\tpanose-1:2 11 6 4 3 5 4 4 2 4;}\r\n@font-face\r\n\t{font-family:Verdana;\r\n\tpanose-1:2 11 6 4 3 5 4 4 2 4;}\r\n/* Style Definitions */\r\np.MsoNormal, li.MsoNormal, div.MsoNormal\r\n\t{margin:0in;\r\n\tmargin-bottom:.0001pt;\r\n\tfont-size:11.0pt;\r\n\tfont-family:\"Calibri\",sans-serif;\r\n\tmso-ligatures:standardcontextual;\r\n\tmso-fareast-language:EN-US;}\r\na:link, span.MsoHyperlink\r\n\t{mso-style-priority:99;\r\n\tcolor:#0563C1;\r\n\ttext-decoration:underline;}\r\na:visited, span.MsoHyperlinkFollowed\r\n\t{mso-style-priority:99;\r\n\tcolor:#954F72;\r\n\ttext-decoration:underline;}\r\np.MsoListParagraph, li.MsoListParagraph, div.MsoListParagraph\r\n\t{mso-style-priority:34;\r\n\tmargin-top:0in;\r\n\tmargin-right:0in;\r\n\tmargin-bottom:0in;\r\n\tmargin-left:.5in;\r\n\tfont-size:11.0pt;\r\n\tfont-family:\"Calibri\",sans-serif;}\r\np.msonormal0, li.msonormal0, div.msonormal0\r\n\t{mso-style-name:msonormal;\r\n\tmso-margin-top-alt:auto;\r\n\tmargin-right:0in;\r\n\tmso-margin-bottom-alt:auto;\r\n\tmargin-left:0in;}\r\nspan.EmailStyle17\r\n\t{mso-style-type:personal-compose;\r\n\tfont-family:\"Calibri\",sans-serif;\r\n\tcolor:windowtext;}\r\nspan.EmailStyle19\r\n\t{mso-style-type:personal-reply;\r\n\tfont-family:\"Calibri\",sans-serif;\r\n\tcolor:windowtext;}\r\n.MsoChpDefault\r\n\t{mso-style-type:export-only;\r\n\tfont-size:10.0pt;\r\n\tmso-fareast-language:EN-US;}\r\n@page WordSection1\r\n\t{size:8.5in 11.0in;\r\n\tmargin:1.0in 1.0in 1.0in 1.0in;}\r\ndiv.WordSection1\r\n\t{page:WordSection1;}\r\n/* List Definitions */\r\n@list l0\r\n\t{mso-list-id:1234567890;\r\n\tmso-list-type:hybrid;\r\n\tmso-list-template-ids:67567617 67567619 67567621;}\r\n@list l0:level1\r\n\t{mso-level-number-format:bullet;\r\n\tmso-level-text:;\r\n\tmso-level-tab-stop:none;\r\n\tmso-level-number-position:left;\r\n\ttext-indent:-.25in;\r\n\tfont-family:Symbol;}\r\nol\r\n\t{margin-bottom:0in;}\r\nul\r\n\t{margin-bottom:0in;}\r\n--></style><!--[if gte mso 9]><xml>\r\n<o:shapedefaults v:ext=\"edit\" spidmax=\"1026\" />\r\n</xml><![endif]--><!--[if gte mso 9]><xml>\r\n<o:shapelayout v:ext=\"edit\">\r\n<o:idmap v:ext=\"edit\" data=\"1\" />\r\n</o:shapelayout></xml><![endif]-->\r\n</head>\r\n";

/// What the web version of Outlook writes.
const WEB_HEAD: &str = "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=iso-8859-1\">\r\n<style type=\"text/css\" style=\"display:none;\"> P {margin-top:0;margin-bottom:0;} </style>\r\n</head>\r\n<body dir=\"ltr\">\r\n";
const WEB_STYLE: &str = "style=\"font-family: Aptos, Aptos_EmbeddedFont, Aptos_MSFontService, Calibri, Helvetica, sans-serif; font-size: 12pt; color: rgb(0, 0, 0);\"";

fn sentences(random: &mut Random, message: &Message, count: u64) -> Vec<String> {
    (0..count)
        .map(|_| {
            let sentence = random.pick(message.language.sentences);
            if random.chance(40) {
                format!("{sentence} {}", random.pick(message.language.sentences))
            } else {
                sentence.to_owned()
            }
        })
        .collect()
}

fn phone(random: &mut Random) -> String {
    format!(
        "+{} {} {} {}",
        random.pick(&["1", "49", "33", "34", "39", "31", "44", "41", "55"]),
        random.below(900),
        random.below(9000),
        random.below(9000)
    )
}

/// A message as plain text and as HTML.
pub(crate) fn alternative(random: &mut Random, message: &Message, out: &mut String) {
    both(random, message, &message.boundary, out);
    *out += &format!("--{}--\r\n", message.boundary);
}

fn both(random: &mut Random, message: &Message, boundary: &str, out: &mut String) {
    let charset = random.pick(&["us-ascii", "iso-8859-1", "utf-8", "Windows-1252"]);
    let transfer = random.pick(&["quoted-printable", "quoted-printable", "base64", "7bit"]);
    *out += &format!(
        "--{boundary}\r\nContent-Type: text/plain; charset=\"{charset}\"\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n"
    );
    *out += &plain(random, message);
    *out += &format!(
        "\r\n--{boundary}\r\nContent-Type: text/html; charset=\"{charset}\"\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n"
    );
    let body = html(random, message);
    if transfer == "quoted-printable" {
        quoted_printable(&body, out);
    } else {
        *out += &body;
    }
    *out += "\r\n";
}

/// A message with pictures in its text.
pub(crate) fn related(random: &mut Random, message: &Message, out: &mut String) {
    let inner = message.boundary.replacen("_000_", "_001_", 1);
    *out += &format!(
        "--{}\r\nContent-Type: multipart/alternative;\r\n\tboundary=\"{inner}\"\r\n\r\n",
        message.boundary
    );
    both(random, message, &inner, out);
    *out += &format!("--{inner}--\r\n\r\n");
    for number in 1..2 + random.below(4) {
        let kind = random.pick(&["png", "jpeg", "gif"]);
        let name = format!("image{number:03}.{}", kind.replace("jpeg", "jpg"));
        let size = 1000 + random.below(90_000);
        let time = random.time();
        *out += &format!(
            "--{}\r\nContent-Type: image/{kind}; name=\"{name}\"\r\nContent-Description: {name}\r\nContent-Disposition: inline; filename=\"{name}\"; size={size};\r\n\tcreation-date=\"{time}\";\r\n\tmodification-date=\"{time}\"\r\nContent-ID: <{name}@01D{}.{}>\r\nContent-Transfer-Encoding: base64\r\n\r\n\r\n",
            message.boundary,
            random.upper_hex(5),
            random.upper_hex(8)
        );
    }
    *out += &format!("--{}--\r\n", message.boundary);
}

/// A message with attachments.
pub(crate) fn mixed(random: &mut Random, message: &Message, out: &mut String) {
    let inner = message.boundary.replacen("_000_", "_002_", 1);
    *out += &format!(
        "--{}\r\nContent-Type: multipart/alternative;\r\n\tboundary=\"{inner}\"\r\n\r\n",
        message.boundary
    );
    both(random, message, &inner, out);
    *out += &format!("--{inner}--\r\n\r\n");
    for _ in 0..1 + random.below(3) {
        let (kind, extension) = match random.below(7) {
            0 => (
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                "docx",
            ),
            1 => (
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "xlsx",
            ),
            2 => (
                "application/vnd.openxmlformats-officedocument.presentationml.presentation",
                "pptx",
            ),
            3 => ("application/octet-stream", "bin"),
            4 => ("application/x-zip-compressed", "zip"),
            5 => ("application/msword", "doc"),
            _ => ("application/pdf", "pdf"),
        };
        let name = format!(
            "{}{}.{extension}",
            random.pick(&[
                "Report",
                "Invoice_",
                "Rechnung_",
                "Contract",
                "Budget 2026",
                "Angebot_",
                "Scan_"
            ]),
            random.below(99_999)
        );
        let time = random.time();
        *out += &format!(
            "--{}\r\nContent-Type: {kind};\r\n\tname=\"{name}\"\r\nContent-Description: {name}\r\nContent-Disposition: attachment; filename=\"{name}\";\r\n\tsize={}; creation-date=\"{time}\";\r\n\tmodification-date=\"{time}\"\r\nContent-ID: <{}@{}>\r\nContent-Transfer-Encoding: base64\r\n\r\n\r\n",
            message.boundary,
            random.below(900_000),
            random.upper_hex(32),
            "eurprd04.prod.outlook.com"
        );
    }
    *out += &format!("--{}--\r\n", message.boundary);
}

/// A message that could not be delivered.
pub(crate) fn report(random: &mut Random, message: &Message, out: &mut String) {
    let boundary = &message.boundary;
    let (to, time) = (&message.to.1, random.time());
    *out += &format!(
        "--{boundary}\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nDelivery has failed to these recipients or groups:\r\n\r\n{to}<mailto:{to}>\r\nThe email address you entered couldn't be found. Please check the recipient's email address and try to resend the message.\r\n\r\nDiagnostic information for administrators:\r\nGenerating server: {}\r\n",
        "AM0PR04MB1234.eurprd04.prod.outlook.com"
    );
    *out += &format!(
        "--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;mail.example.com\r\nReceived-From-MTA: dns;mail.example.com\r\nArrival-Date: {time}\r\n\r\nFinal-Recipient: rfc822;{to}\r\nAction: failed\r\nStatus: 5.1.10\r\nDiagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup\r\n\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
    );
    alternative(random, message, out);
}

fn plain(random: &mut Random, message: &Message) -> String {
    let language = message.language;
    let mut text = format!("{}\r\n\r\n", random.pick(language.greetings));
    let count = 2 + random.below(5);
    for sentence in sentences(random, message, count) {
        text += &format!("{sentence}\r\n\r\n");
    }
    text += &format!(
        "{}\r\n\r\n{}\r\n{} | {}\r\n{}<mailto:{}>\r\n",
        random.pick(language.closings),
        message.from.0,
        phone(random),
        "https://www.example.com<https://www.example.com/>",
        message.from.1,
        message.from.1
    );
    if random.chance(40) {
        let [from, sent, to, _, subject] = language.quote;
        text += &format!(
            "\r\n________________________________\r\n{from} {} <{}>\r\n{sent} {}\r\n{to} {} <{}>\r\n{subject} {}\r\n\r\n> {}\r\n",
            message.to.0,
            message.to.1,
            random.time(),
            message.from.0,
            message.from.1,
            message.subject,
            random.pick(language.sentences)
        );
    }
    text
}

/// The HTML of a message.
pub(crate) fn html(random: &mut Random, message: &Message) -> String {
    match random.below(10) {
        0..=5 => word(random, message),
        6..=8 => web(random, message),
        _ => newsletter(random, message),
    }
}

fn word(random: &mut Random, message: &Message) -> String {
    let language = message.language;
    let locale = language.locale.to_uppercase();
    let mut text = WORD_HEAD.to_owned();
    text += &format!(
        "<body lang=\"{locale}\" link=\"#0563C1\" vlink=\"#954F72\" style=\"word-wrap:break-word\">\r\n<div class=\"WordSection1\">\r\n<p class=\"MsoNormal\">{}<o:p></o:p></p>\r\n<p class=\"MsoNormal\"><o:p>&nbsp;</o:p></p>\r\n",
        random.pick(language.greetings)
    );
    let count = 2 + random.below(6);
    for sentence in sentences(random, message, count) {
        text += &match random.below(6) {
            0 => format!(
                "<p class=\"MsoListParagraph\" style=\"text-indent:-.25in;mso-list:l0 level1 lfo1\"><![if !supportLists]><span style=\"font-family:Symbol\"><span style=\"mso-list:Ignore\">&middot;<span style=\"font:7.0pt &quot;Times New Roman&quot;\">&nbsp;&nbsp;&nbsp;&nbsp;&nbsp;&nbsp;&nbsp;&nbsp; </span></span></span><![endif]><span lang=\"{locale}\">{sentence}<o:p></o:p></span></p>\r\n"
            ),
            1 => format!(
                "<p class=\"MsoNormal\"><span style=\"font-size:10.0pt;font-family:&quot;Arial&quot;,sans-serif;color:black\">{sentence}<o:p></o:p></span></p>\r\n"
            ),
            2 => format!(
                "<p class=\"MsoNormal\" style=\"mso-margin-top-alt:auto;mso-margin-bottom-alt:auto\"><b><span lang=\"{locale}\" style=\"mso-fareast-language:EN-US\">{sentence}<o:p></o:p></span></b></p>\r\n"
            ),
            _ => format!(
                "<p class=\"MsoNormal\"><span lang=\"{locale}\">{sentence}<o:p></o:p></span></p>\r\n<p class=\"MsoNormal\"><span lang=\"{locale}\"><o:p>&nbsp;</o:p></span></p>\r\n"
            ),
        };
    }
    if random.chance(20) {
        text += &table(random);
    }
    text += &format!(
        "<p class=\"MsoNormal\">{}<o:p></o:p></p>\r\n<p class=\"MsoNormal\"><b><span style=\"font-size:10.0pt;font-family:&quot;Arial&quot;,sans-serif;color:#1F497D;mso-fareast-language:EN-US\">{}<o:p></o:p></span></b></p>\r\n<p class=\"MsoNormal\"><span style=\"font-size:9.0pt;font-family:&quot;Arial&quot;,sans-serif;color:#7F7F7F\">Tel.: {}<br>Mobile: {}<br>E-Mail: <a href=\"mailto:{}\"><span style=\"color:#0563C1\">{}</span></a><br><a href=\"https://www.example.com/\">www.example.com</a><o:p></o:p></span></p>\r\n",
        random.pick(language.closings),
        message.from.0,
        phone(random),
        phone(random),
        message.from.1,
        message.from.1
    );
    if random.chance(50) {
        text += &format!(
            "<p class=\"MsoNormal\"><span style=\"mso-fareast-language:EN-US\"><img border=\"0\" width=\"{}\" height=\"{}\" style=\"width:2.0in;height:.75in\" id=\"Picture_x0020_1\" src=\"cid:image001.png@01D{}.{}\" alt=\"Logo\"></span><o:p></o:p></p>\r\n",
            random.below(600),
            random.below(200),
            random.upper_hex(5),
            random.upper_hex(8)
        );
    }
    if random.chance(30) {
        text += &format!(
            "<p class=\"MsoNormal\"><span style=\"font-size:8.0pt;color:gray\">{}<o:p></o:p></span></p>\r\n",
            language.disclaimer
        );
    }
    if random.chance(50) {
        let [from, sent, to, cc, subject] = language.quote;
        text += &format!(
            "<div>\r\n<div style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in\">\r\n<p class=\"MsoNormal\"><b>{from}</b> {} &lt;{}&gt; <br>\r\n<b>{sent}</b> {}<br>\r\n<b>{to}</b> {} &lt;{}&gt;<br>\r\n<b>{cc}</b> {}<br>\r\n<b>{subject}</b> {}<o:p></o:p></p>\r\n</div>\r\n</div>\r\n<p class=\"MsoNormal\"><o:p>&nbsp;</o:p></p>\r\n<p class=\"MsoNormal\">{}<o:p></o:p></p>\r\n",
            message.to.0,
            message.to.1,
            random.time(),
            message.from.0,
            message.from.1,
            message.from.1,
            message.subject,
            random.pick(language.sentences)
        );
    }
    text + "</div>\r\n</body>\r\n</html>\r\n"
}

fn web(random: &mut Random, message: &Message) -> String {
    let language = message.language;
    let mut text = WEB_HEAD.to_owned();
    let count = 2 + random.below(4);
    text += &format!(
        "<div class=\"elementToProof\" {WEB_STYLE}>\r\n{}</div>\r\n",
        random.pick(language.greetings)
    );
    for sentence in sentences(random, message, count) {
        text += &format!(
            "<div class=\"elementToProof\" {WEB_STYLE}>\r\n<br>\r\n</div>\r\n<div class=\"elementToProof\" {WEB_STYLE}>\r\n{sentence}</div>\r\n"
        );
    }
    if random.chance(40) {
        text += &format!(
            "<div id=\"ms-outlook-mobile-signature\">\r\n<div><br>\r\n</div>\r\n<a href=\"https://aka.ms/o0ukef\">{}</a></div>\r\n",
            language.mobile
        );
    } else {
        text += &format!(
            "<div id=\"Signature\" class=\"elementToProof\" {WEB_STYLE}>\r\n{}<br>\r\n{}</div>\r\n",
            random.pick(language.closings),
            message.from.0
        );
    }
    if random.chance(60) {
        let [from, sent, to, _, subject] = language.quote;
        text += &format!(
            "<hr style=\"display:inline-block;width:98%\" tabindex=\"-1\">\r\n<div id=\"divRplyFwdMsg\" dir=\"ltr\"><font face=\"Calibri, sans-serif\" style=\"font-size:11pt\" color=\"#000000\"><b>{from}</b> {} &lt;{}&gt;<br>\r\n<b>{sent}</b> {}<br>\r\n<b>{to}</b> {} &lt;{}&gt;<br>\r\n<b>{subject}</b> {}</font>\r\n<div>&nbsp;</div>\r\n</div>\r\n<blockquote style=\"margin-top:0;margin-bottom:0\">\r\n<div class=\"BodyFragment\"><font size=\"2\"><span style=\"font-size:11pt;\">\r\n<div class=\"PlainText\">{}<br>\r\n</div>\r\n</span></font></div>\r\n</blockquote>\r\n",
            message.to.0,
            message.to.1,
            random.time(),
            message.from.0,
            message.from.1,
            message.subject,
            random.pick(language.sentences)
        );
    }
    text + "</body>\r\n</html>\r\n"
}

fn table(random: &mut Random) -> String {
    let mut text = "<table class=\"MsoNormalTable\" border=\"1\" cellspacing=\"0\" cellpadding=\"0\" style=\"border-collapse:collapse;border:none\">\r\n<tbody>\r\n".to_owned();
    for _ in 0..2 + random.below(4) {
        text += "<tr>\r\n";
        for _ in 0..3 {
            text += &format!(
                "<td width=\"201\" valign=\"top\" style=\"width:150.5pt;border:solid windowtext 1.0pt;padding:0in 5.4pt 0in 5.4pt\">\r\n<p class=\"MsoNormal\">{}<o:p></o:p></p>\r\n</td>\r\n",
                random.below(10_000)
            );
        }
        text += "</tr>\r\n";
    }
    text + "</tbody>\r\n</table>\r\n"
}

/// HTML as mailings have it.
pub(crate) fn newsletter(random: &mut Random, message: &Message) -> String {
    let language = message.language;
    let mut text = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n<html xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\">\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1.0\">\n<meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\">\n<meta name=\"x-apple-disable-message-reformatting\">\n<style type=\"text/css\">\nbody, table, td, a { -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }\ntable, td { mso-table-lspace: 0pt; mso-table-rspace: 0pt; }\nimg { -ms-interpolation-mode: bicubic; border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; }\nbody { margin: 0; padding: 0; width: 100% !important; height: 100% !important; }\n@media only screen and (max-width: 600px) {\n  .container { width: 100% !important; }\n}\n</style>\n<!--[if mso]><xml><o:OfficeDocumentSettings><o:AllowPNG/><o:PixelsPerInch>96</o:PixelsPerInch></o:OfficeDocumentSettings></xml><![endif]-->\n</head>\n<body style=\"margin:0;padding:0;background-color:#f4f4f4;\">\n<div style=\"display:none;max-height:0;overflow:hidden;\">&zwnj;&nbsp;&zwnj;&nbsp;&zwnj;&nbsp;</div>\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" align=\"center\">\n<tr>\n<td align=\"center\" valign=\"top\">\n<table role=\"presentation\" class=\"container\" width=\"600\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"max-width:600px;background-color:#ffffff;\">\n".to_owned();
    let count = 2 + random.below(6);
    for sentence in sentences(random, message, count) {
        text += &format!(
            "<tr>\n<td align=\"left\" style=\"padding:{}px 20px 10px 20px;font-family:Arial,Helvetica,sans-serif;font-size:{}px;line-height:24px;color:#333333;\">\n{sentence}\n</td>\n</tr>\n",
            random.below(40),
            random.pick(&["14", "16", "12", "20"])
        );
        if random.chance(30) {
            text += &format!(
                "<tr>\n<td align=\"center\" style=\"padding:10px 20px;\">\n<a href=\"https://click.example.com/?qs={}&amp;utm_source=newsletter&amp;utm_medium=email&amp;utm_campaign={}\" target=\"_blank\" style=\"display:inline-block;padding:12px 24px;background-color:#0078d4;color:#ffffff;text-decoration:none;border-radius:4px;\">{}</a>\n</td>\n</tr>\n",
                random.hex(64),
                random.hex(8),
                random.pick(language.subjects)
            );
        }
        if random.chance(25) {
            text += &format!(
                "<tr>\n<td align=\"center\" valign=\"top\">\n<img src=\"https://image.example.com/lib/{}/m/1/{}.png\" alt=\"\" width=\"600\" border=\"0\" style=\"display:block;width:100%;max-width:600px;height:auto;\">\n</td>\n</tr>\n",
                random.hex(14),
                random.guid()
            );
        }
    }
    text += &format!(
        "<tr>\n<td align=\"center\" style=\"padding:20px;font-family:Arial,Helvetica,sans-serif;font-size:11px;line-height:16px;color:#999999;\">\n{} <a href=\"https://www.example.com/unsubscribe?id={}\" style=\"color:#999999;text-decoration:underline;\">Unsubscribe</a> | <a href=\"https://www.example.com/privacy\">Privacy Policy</a> | View in browser<br>\n&copy; 2026 Example Inc. All rights reserved.\n</td>\n</tr>\n</table>\n</td>\n</tr>\n</table>\n<img src=\"https://open.example.com/open?{}\" width=\"1\" height=\"1\" alt=\"\" style=\"display:none;\">\n</body>\n</html>\n",
        language.disclaimer,
        random.hex(32),
        random.hex(40)
    );
    text
}

/// Quoted-printable as Exchange writes it: soft line breaks, `=3D` for the equals sign.
fn quoted_printable(text: &str, out: &mut String) {
    for line in text.split("\r\n") {
        let mut length = 0;
        for c in line.chars() {
            let piece = match c {
                '=' => "=3D".to_owned(),
                c if c.is_ascii() => c.to_string(),
                c => format!("={:02X}", u32::from(c) & 0xff),
            };
            if length + piece.len() > 75 {
                *out += "=\r\n";
                length = 0;
            }
            length += piece.len();
            *out += &piece;
        }
        *out += "\r\n";
    }
}
