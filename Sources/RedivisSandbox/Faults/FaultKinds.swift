/// What can happen to any request, whatever it asks for.
public enum RequestFault: Sendable, Equatable {
    /// Answers with an error status. `afterwards`: only after the request was carried out. On a session, 404, 410
    /// and 499 end it for good unless `once`. `retryAfter` is sent as ``RetryAfterText`` makes it.
    case status(Int, afterwards: Bool, once: Bool, retryAfter: String?)
    /// 200 with a page of HTML, as a captive portal answers. Nothing is carried out.
    case portal
    /// 200 with `{}`, which says nothing that was asked for.
    case blank(afterwards: Bool)
    /// A redirect to a place that is nowhere. Nothing is carried out.
    case redirect(Int)
    /// Resets the connection before anything is carried out.
    case reset
    /// Takes this many bytes of the body, then resets the connection.
    case resetAt(Int64)
    /// Carries the request out, then closes the connection without an answer.
    case loseReply
    /// Closes the connection without an answer, and carries the request out this many milliseconds later.
    case late(Int)
    /// Carries out at once, answers this many milliseconds later.
    case delay(Int)
    /// Waits this many milliseconds before carrying out.
    case wait(Int)
    /// Accepts the request and reads no more of it. The connection is closed after so many milliseconds; nil leaves
    /// that to the client.
    case neverRead(Int?)
    /// Reads the request and answers nothing, for as long as ``neverRead(_:)``.
    case neverAnswer(Int?, afterwards: Bool)
    /// An answer whose body never ends.
    case endlessBody(afterwards: Bool)
    /// An answer whose headers never end.
    case endlessHeaders(afterwards: Bool)
    /// The true answer, one byte each so many milliseconds.
    case trickle(Int)
}

/// What can happen to the bytes of a session, and to what it says of them.
public enum SessionFault: Sendable, Equatable {
    /// 308 without `Range`, although bytes are stored.
    case noRange
    /// A 308 becomes 200 with `X-HTTP-Status-Code-Override: 308`.
    case overrideOK
    /// A 308 becomes a plain 200 while the session stays open.
    case plainOK
    /// The session is finished with what is stored, fewer bytes than announced, and 200 is answered.
    case finishEarly
    /// The session stays open, and 200 tells of an object that is this many bytes larger than was announced.
    case finishMore(Int64)
    /// 503 as to a chunk that begins behind a gap. Nothing is kept.
    case gap
    /// Keeps only the first bytes of the chunk.
    case keep(Int64)
    /// Acknowledges this many bytes more than are stored.
    case acknowledgeMore(Int64)
    /// Loses this many of the last stored bytes, which may have been acknowledged before.
    case loseStored(Int64)
}

/// What can happen to a registration and its import.
public enum RegistrationFault: Sendable, Equatable {
    /// Refuses the upload id.
    case refuseID
    /// One request's reading of a name that the table has already.
    case duplicateName(SandboxSwitches.DuplicateName)
    /// One request's reading of an upload id that was registered already.
    case uploadIDReuse(SandboxSwitches.Reuse)
    /// Somebody in between sends the request twice: it is carried out, then again, and the second answer is given.
    case again(Repetition)
    /// The import fails with this message.
    case importFailed(String)
    /// The import completes and reports a size one byte too large.
    case wrongSize
    /// The import completes and reports another MD5.
    case wrongMD5
    /// The import completes and never reports size and MD5.
    case noSize
    /// The import stays `running` for so many milliseconds, or for ever.
    case importStuck(Int?)

    /// What the second of two equal requests meets.
    public enum Repetition: String, Sendable, CaseIterable {
        case rename, refuse, second
        case refuseID = "refuse-id"
    }
}

/// What other people do to the open version of the dataset that the request is about.
public enum DraftFault: Sendable, Equatable {
    /// It is released: what is still being imported is completed first. Not while a failed upload is in it, or
    /// nothing at all.
    case release(afterwards: Bool)
    /// It is deleted. With uploads in it only where `whole`.
    case close(afterwards: Bool, whole: Bool)

    var happensAfterwards: Bool {
        switch self {
        case .release(let afterwards), .close(let afterwards, _): afterwards
        }
    }
}

extension SandboxFault {
    /// The action's name, without its numbers and texts: as in the request log and in the count of hits.
    public var name: String {
        switch action {
        case .request(let fault): Self.name(fault)
        case .session(let fault): Self.name(fault)
        case .registration(let fault): Self.name(fault)
        case .lag: "lag"
        case .draft(.release): "release"
        case .draft(.close): "close-draft"
        }
    }

    /// The name, and what of its form makes a difference to whoever meets it.
    public var form: String {
        switch action {
        case .request(.status(let status, let afterwards, _, let retryAfter)):
            let word = retryAfter.map { ",retry-after: " + RetryAfterText.form(of: $0) } ?? ""
            return "\(status)\(afterwards ? ",after" : "")\(word)"
        case .request(.blank(true)), .request(.neverAnswer(_, true)), .request(.endlessBody(true)),
            .request(.endlessHeaders(true)), .draft(.release(true)), .draft(.close(true, _)):
            return name + ",after"
        case .request(.redirect(let status)): return "redirect=\(status)"
        case .registration(.again(let meeting)): return "again=\(meeting.rawValue)"
        case .registration(.duplicateName(let reading)): return "duplicate-name=\(reading.rawValue)"
        case .registration(.uploadIDReuse(let reading)): return "upload-id-reuse=\(reading.rawValue)"
        case .request, .session, .registration, .lag, .draft: return name
        }
    }

    private static func name(_ fault: RequestFault) -> String {
        switch fault {
        case .status(let status, _, _, _): String(status)
        case .portal: "portal"
        case .blank: "blank"
        case .redirect: "redirect"
        case .reset: "reset"
        case .resetAt: "reset-at"
        case .loseReply: "lose-reply"
        case .late: "late"
        case .delay: "delay"
        case .wait: "wait"
        case .neverRead: "never-read"
        case .neverAnswer: "never-answer"
        case .endlessBody: "endless-body"
        case .endlessHeaders: "endless-headers"
        case .trickle: "trickle"
        }
    }

    private static func name(_ fault: SessionFault) -> String {
        switch fault {
        case .noRange: "no-range"
        case .overrideOK: "override-200"
        case .plainOK: "plain-200"
        case .finishEarly: "finish-early"
        case .finishMore: "finish-more"
        case .gap: "gap"
        case .keep: "keep"
        case .acknowledgeMore: "ack-more"
        case .loseStored: "lose-stored"
        }
    }

    private static func name(_ fault: RegistrationFault) -> String {
        switch fault {
        case .refuseID: "refuse-id"
        case .duplicateName: "duplicate-name"
        case .uploadIDReuse: "upload-id-reuse"
        case .again: "again"
        case .importFailed: "import-failed"
        case .wrongSize: "wrong-size"
        case .wrongMD5: "wrong-md5"
        case .noSize: "no-size"
        case .importStuck: "import-stuck"
        }
    }
}
