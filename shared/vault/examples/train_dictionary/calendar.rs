//! Invitations.

use crate::headers::Message;
use crate::random::Random;

/// An invitation to a Teams meeting, as text, HTML and iCalendar.
pub(crate) fn invitation(random: &mut Random, message: &Message, out: &mut String) {
    let boundary = &message.boundary;
    *out += &format!(
        "--{boundary}\r\nContent-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    );
    for line in message.language.meeting {
        *out += &format!("{line} {}\r\n", random.token("0123456789 ", 12));
    }
    *out += "________________________________________________________________________________\r\n";
    *out += &format!(
        "--{boundary}\r\nContent-Type: text/html; charset=\"utf-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    );
    html(random, message, out);
    *out += &format!(
        "--{boundary}\r\nContent-Type: text/calendar; charset=\"utf-8\"; method={}\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        random.pick(&["REQUEST", "CANCEL", "REPLY"])
    );
    event(random, message, out);
    *out += &format!("--{boundary}--\r\n");
}

fn link(random: &mut Random) -> String {
    format!(
        "https://teams.microsoft.com/l/meetup-join/19%3ameeting_{}%40thread.v2/0?context=%7b%22Tid%22%3a%22{}%22%2c%22Oid%22%3a%22{}%22%7d",
        random.base64(48),
        random.guid(),
        random.guid()
    )
}

fn html(random: &mut Random, message: &Message, out: &mut String) {
    let link = link(random);
    *out += "<div class=\"me-email-text\" lang=\"en-US\" style=\"max-width:1024px;color:#242424;font-family:'Segoe UI','Helvetica Neue',Helvetica,Arial,sans-serif\">\r\n<div style=\"margin-bottom:24px;overflow:hidden;white-space:nowrap\">________________________________________________________________________________</div>\r\n<div style=\"margin-bottom:12px\"><span class=\"me-email-text\" style=\"font-size:24px;font-weight:700;margin-right:12px\">";
    for line in message.language.meeting {
        *out += &format!(
            "{line}</span></div>\r\n<div style=\"margin-bottom:6px\"><a class=\"me-email-headline\" style=\"font-size:20px;font-weight:600;text-decoration:underline;color:#5B5FC7\" href=\"{link}\" target=\"_blank\" rel=\"noreferrer noopener\">{line}</a></div>\r\n<div style=\"margin-bottom:6px\"><span class=\"me-email-text-secondary\" style=\"font-size:14px;color:#616161\">"
        );
    }
    *out += &format!(
        "</span><a class=\"me-email-link\" style=\"font-size:14px;text-decoration:underline;color:#5B5FC7\" href=\"https://aka.ms/JoinTeamsMeeting?omkt={}\">Need help?</a></div>\r\n</div>\r\n",
        message.language.locale
    );
}

fn event(random: &mut Random, message: &Message, out: &mut String) {
    let zone = random.pick(&[
        "W. Europe Standard Time",
        "GMT Standard Time",
        "Pacific Standard Time",
        "Eastern Standard Time",
        "Romance Standard Time",
        "UTC",
    ]);
    let day = format!(
        "2026{:02}{:02}T{:02}0000",
        1 + random.below(12),
        1 + random.below(28),
        8 + random.below(10)
    );
    *out += &format!(
        "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nPRODID:Microsoft Exchange Server 2010\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:{zone}\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nORGANIZER;CN={}:mailto:{}\r\nATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN={}:mailto:{}\r\nDESCRIPTION;LANGUAGE={}:",
        message.from.0, message.from.1, message.to.0, message.to.1, message.language.locale
    );
    for line in message.language.meeting {
        *out += &format!("\\n{line}");
    }
    *out += &format!(
        "\r\nUID:040000008200E00074C5B7101A82E008{}\r\nSUMMARY;LANGUAGE={}:{}\r\nDTSTART;TZID={zone}:{day}\r\nDTEND;TZID={zone}:{day}\r\nCLASS:PUBLIC\r\nPRIORITY:5\r\nDTSTAMP:{day}Z\r\nTRANSP:OPAQUE\r\nSTATUS:CONFIRMED\r\nSEQUENCE:0\r\nLOCATION;LANGUAGE={}:{}\r\nX-MICROSOFT-CDO-APPT-SEQUENCE:0\r\nX-MICROSOFT-CDO-OWNERAPPTID:{}\r\nX-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE\r\nX-MICROSOFT-CDO-INTENDEDSTATUS:BUSY\r\nX-MICROSOFT-CDO-ALLDAYEVENT:FALSE\r\nX-MICROSOFT-CDO-IMPORTANCE:1\r\nX-MICROSOFT-CDO-INSTTYPE:0\r\nX-MICROSOFT-SKYPETEAMSMEETINGURL:{}\r\nX-MICROSOFT-ONLINEMEETINGINFORMATION:{{\"OnlineMeetingChannelId\":null,\"OnlineMeetingProvider\":3}}\r\nX-MICROSOFT-DONOTFORWARDMEETING:FALSE\r\nX-MICROSOFT-DISALLOW-COUNTER:FALSE\r\nX-MICROSOFT-REQUESTEDATTENDANCEMODE:DEFAULT\r\nX-MICROSOFT-ISRESPONSEREQUESTED:TRUE\r\nX-MICROSOFT-LOCATIONS:[]\r\nBEGIN:VALARM\r\nDESCRIPTION:REMINDER\r\nTRIGGER;RELATED=START:-PT15M\r\nACTION:DISPLAY\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        random.upper_hex(80),
        message.language.locale,
        message.subject,
        message.language.locale,
        random.pick(message.language.meeting),
        random.below(2_000_000_000),
        link(random)
    );
}
