import SyncCore

/// Plays one scenario file, line by line.
struct Scenario {
    private var row = Sample.delivery(.pending(.fresh), isKnown: false)
    private var policy = Sample.policy
    private var seconds: Int64 = 0
    private var run: UInt64 = 1
    private var last: Decision?
    private(set) var expectations = 0

    /// - Returns: what is wrong with the line, or with what came of it.
    mutating func run(_ line: String) -> String? {
        var words = line.split(separator: " ").map(String.init)
        guard let verb = words.first, !verb.hasPrefix("#") else { return nil }
        words.removeFirst()
        switch verb {
        case "given": return given(words)
        case "policy": return setPolicy(words)
        case "at":
            guard let time = words.first, time.hasPrefix("+"), let more = Self.seconds(time.dropFirst()) else {
                return "at +SECONDSs"
            }
            seconds += more
        case "restart": run += 1
        case "event":
            guard let event = event(words) else { return "no such event" }
            let decision = row.decide(on: event, in: Sample.context(at: seconds, run: run, policy: policy))
            row = decision.delivery
            last = decision
        case "expect":
            expectations += 1
            return expect(words.joined(separator: " "))
        default: return "no such line: \(verb)"
        }
        return nil
    }

    // MARK: given, policy, expect

    private mutating func given(_ words: [String]) -> String? {
        let isKnown = words.contains("known")
        var size = Sample.size
        if let at = words.firstIndex(of: "size"), at + 1 < words.count, let told = Int64(words[at + 1]) { size = told }
        let state: DeliveryState? =
            switch words.first {
            case "fresh": .working(.pending(.fresh))
            case "examine": .working(.pending(.examine))
            case "existing": .working(.pending(.existing))
            case "held": .held(.changed)
            case "parked": .parked(.rejected("422"))
            default: nil
            }
        guard let state else { return "given fresh|examine|existing|held|parked [known] [size BYTES]" }
        row = Sample.delivery(state, isKnown: isKnown, size: size)
        return nil
    }

    private mutating func setPolicy(_ words: [String]) -> String? {
        guard words.count == 2 else { return "policy KEY VALUE" }
        switch (words[0], words[1]) {
        case ("verify", "size"): policy.verification = .size
        case ("verify", "md5"): policy.verification = .md5
        case ("endpoint", "auto"): policy.endpoint = .auto
        case ("endpoint", let name):
            guard let endpoint = Endpoint(rawValue: name) else { return "no such endpoint" }
            policy.endpoint = .fixed(endpoint)
        case ("on_change", let name):
            guard let change = ChangePolicy(rawValue: name) else { return "no such on_change" }
            policy.onChange = change
        case ("fact", "works"): policy.endpointFact = .documentedWorks
        case ("inline_limit", let size):
            guard let size = Int64(size) else { return "inline_limit BYTES" }
            policy.inlineLimit = size
        case ("doubt", let time):
            guard let time = Self.seconds(time[...]) else { return "doubt SECONDSs" }
            policy.registrationDoubt = .seconds(time)
        default: return "no such policy"
        }
        return nil
    }

    private func expect(_ text: String) -> String? {
        if text.hasPrefix("wait ") {
            guard case .waiting(_, let delay) = row.state, let time = Self.seconds(text.dropFirst(5)) else {
                return "it does not wait: \(row.state.words)"
            }
            let left = delay.until.since(Sample.moment(seconds, run: run).monotonic)
            return left == .seconds(time) ? nil : "it waits \(left.map { "\($0)" } ?? "in another run")"
        }
        if text.hasPrefix("fact ") {
            let told = last?.endpointFact?.rawValue ?? "none"
            return told == text.dropFirst(5) ? nil : "it learned \(told)"
        }
        if text.hasPrefix("note ") {
            let note = last?.note ?? ""
            return note.contains(text.dropFirst(5)) ? nil : "its note is: \(note)"
        }
        let got = last?.words ?? row.state.words
        return got == text ? nil : "it is: \(got)"
    }

    private static func seconds(_ text: Substring) -> Int64? {
        text.hasSuffix("s") ? Int64(text.dropLast()) : nil
    }

    // MARK: Events

    private func event(_ words: [String]) -> DeliveryEvent? {
        var rest = words
        guard let verb = rest.first else { return nil }
        rest.removeFirst()
        switch verb {
        case "resumed": return .resumed
        case "examined": return standing(rest).map { .examined(Sample.content(size: row.size), $0) }
        case "opened":
            let endpoint: Endpoint = rest.contains("temp_uploads") ? .tempUploads : .resumableUpload
            return .sessionOpened(
                Sample.session(rest.contains("whole") ? .whole : .resumable, endpoint: endpoint, openedAt: seconds))
        case "chunk":
            guard case .sendChunk(_, let range, _) = last?.effect, let reply = reply(rest) else { return nil }
            return .chunkAnswered(
                reply, sent: range, prefix: prefix(rest, reply, range.upperBound), serverTime: serverTime(rest))
        case "status":
            guard let reply = reply(rest) else { return nil }
            return .statusAnswered(reply, prefix: prefix(rest, reply, row.size), serverTime: serverTime(rest))
        case "concluded":
            return .concluded(
                Sample.content(rest.contains("other") ? 9 : 1, size: row.size), isProven: !rest.contains("unproven"))
        case "found": return .registrationFound(upload(rest), newestReleased: Sample.version)
        case "absent":
            return .registrationAbsent(
                LookUpReport(begun: Sample.moment(seconds, run: run).monotonic, newestReleased: Sample.version))
        case "gated":
            guard let time = rest.first, let more = Self.seconds(time.dropFirst()) else { return nil }
            return .postingGated(until: Sample.moment(seconds + more, run: run).monotonic)
        case "registered": return .registered(upload(["inProgress"] + rest))
        case "reported": return .importReported(upload(rest))
        case "vanished": return .importVanished
        case "kept":
            let upload = upload(rest)
            let other = RemoteUpload(
                uri: "/uploads/another", name: upload.name, status: upload.status, size: upload.size, md5: upload.md5)
            return .keptInstead(other, newestReleased: Sample.version)
        case "lost": return .uploadLost
        case "withdrawn": return .registrationWithdrawn
        case "changed": return .sourceChanged
        case "gone": return .sourceGone
        case "retry": return .byHand(.retryRequested)
        case "forget": return .byHand(.forgotten)
        case "resolve": return rest.first.flatMap(Resolution.init).map { .byHand(.resolved($0)) }
        case "failed": return failure(rest)
        default: return nil
        }
    }

    private func standing(_ words: [String]) -> Standing? {
        switch words.first {
        case "alone": .alone
        case "behind": .behind(DeliveryID(7))
        case "successor": .successor(DeliveryID(7))
        case "adopts": .adopts(upload(Array(words.dropFirst())))
        case "strange": .strange(.tableHasOtherUploads)
        default: nil
        }
    }

    private func reply(_ words: [String]) -> TransferReply? {
        switch words.first {
        case "stored": return .stored(words.dropFirst().first.flatMap { Int64($0) })
        case "finished":
            let md5: Digest? =
                words.contains("md5=ok")
                ? Sample.content().md5 : words.contains("md5=other") ? Sample.digest(9, count: 16) : nil
            let told = words.first { $0.hasPrefix("size=") }
            let size = told.map { Int64($0.dropFirst(5)) } ?? row.size
            return .finished(size: size, md5: md5)
        default: return nil
        }
    }

    private func prefix(_ words: [String], _ reply: TransferReply, _ end: Int64) -> PrefixDigest? {
        guard !words.contains("unproven") else { return nil }
        switch reply {
        case .stored(let offset): return offset.map(Sample.prefix)
        case .finished: return Sample.prefix(end)
        }
    }

    private func serverTime(_ words: [String]) -> Timestamp? {
        words.contains("dayLater") ? Sample.moment(seconds + 24 * 3600).wall : nil
    }

    /// `[inProgress|completed|failed] [name=N] [size=N|size=none] [md5=none|md5=other]`
    private func upload(_ words: [String]) -> RemoteUpload {
        let status: RemoteUpload.Status =
            words.contains("inProgress")
            ? .inProgress : words.contains("failed") ? .failed("no variables found") : .completed
        let name = words.first { $0.hasPrefix("name=") }.map { String($0.dropFirst(5)) }
        var size: Int64? = row.size
        if let told = words.first(where: { $0.hasPrefix("size=") }) { size = Int64(told.dropFirst(5)) }
        let md5 =
            words.contains("md5=none") || words.contains("size=none")
            ? nil : words.contains("md5=other") ? Sample.digest(9, count: 16) : Sample.content().md5
        return Sample.upload(status, name: name ?? row.uploadName ?? Sample.name, size: size, md5: md5)
    }

    private func failure(_ words: [String]) -> DeliveryEvent? {
        guard let kind = words.first.flatMap(Failure.Kind.init) else { return nil }
        let after = words.dropFirst().first.flatMap { Self.seconds($0[...]) }
        return .effectFailed(Sample.failure(kind, retryAfter: after.map { .seconds($0) }))
    }
}
