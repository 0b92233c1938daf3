import FoundationEssentials
import SyncCore

/// How the storage host's answers are read: the rules 1-9 of `docs/protocol.md`, "Answers to a session".
///
/// Pure, and held by a table of tests: nothing else decides whether a file's bytes have arrived.
struct StorageAnswers: Sendable {
    enum Question: Hashable, Sendable {
        /// A chunk, or where the session stands.
        case resumable
        /// The whole file in one PUT.
        case whole(size: Int64)
    }

    let question: Question
    let now: Timestamp
    let secrets: [String]

    func read(_ answer: WebAnswer) throws(Failure) -> TransferAnswer {
        TransferAnswer(reply: try reply(answer), serverTime: answer.serverTime)
    }

    private func reply(_ answer: WebAnswer) throws(Failure) -> TransferReply {
        if answer.status == 308 || (200...299).contains(answer.status) && Self.saysIncomplete(answer) {
            return try incomplete(answer)
        }
        switch (answer.status, question) {
        case (200...299, _) where answer.isWebPage:
            throw Failure(
                .transient, "a web page answered in the place of the storage host",
                hint: "look for a proxy or a log-in page between this machine and the storage host")
        case (200, .resumable), (201, .resumable):
            return Self.finished(answer)
        case (200, .whole(let size)), (201, .whole(let size)), (204, .whole(let size)):
            let told = Self.finished(answer)
            guard case .finished(let stored, let md5) = told else { return told }
            return .finished(size: stored ?? size, md5: md5)
        default:
            throw failure(answer)
        }
    }

    /// `X-HTTP-Status-Code-Override: 308`: what a client gets that asked for no 308, or through a proxy.
    private static func saysIncomplete(_ answer: WebAnswer) -> Bool {
        answer.fields.one("x-http-status-code-override").map { $0.filter { $0 != " " } == "308" } ?? false
    }

    private func incomplete(_ answer: WebAnswer) throws(Failure) -> TransferReply {
        guard case .resumable = question else { throw failure(answer) }
        let stored = answer.fields.one("range").flatMap(Self.storedBytes)
        // A real redirect tells where to; the storage host's 308 never does.
        if stored == nil, !answer.fields.all("location").isEmpty { throw failure(answer) }
        return .stored(stored)
    }

    /// `bytes=0-42` → 43. `nil` for what says nothing: another unit, another start, no number.
    static func storedBytes(_ range: String) -> Int64? {
        let parts = range.filter { $0 != " " && $0 != "\t" }.lowercased().split(
            separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "bytes", parts[1].hasPrefix("0-") else { return nil }
        let digits = parts[1].dropFirst(2)
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let last = Int64(digits), last < .max
        else { return nil }
        return last + 1
    }

    private static func finished(_ answer: WebAnswer) -> TransferReply {
        let object = try? JSONDecoder().decode(StoredObject.self, from: Data(answer.body))
        let stored = answer.fields.one("x-goog-stored-content-length").flatMap { Int64($0) }.flatMap {
            $0 < 0 ? nil : $0
        }
        let hashes = answer.fields.all("x-goog-hash").flatMap { $0.split(separator: ",") }
        let md5 = hashes.lazy.compactMap { hash -> Digest? in
            let hash = hash.filter { $0 != " " }
            return hash.hasPrefix("md5=") ? Digest(reported: String(hash.dropFirst(4))) : nil
        }.first
        return .finished(
            size: stored ?? object?.size?.value, md5: md5 ?? object?.md5Hash.flatMap { Digest(reported: $0) })
    }

    private func failure(_ answer: WebAnswer) -> Failure {
        let words = ServerWords(answer, secrets: secrets).text.map { ": \($0)" } ?? ""
        let said = "the storage host answered \(answer.status)\(words)"
        let retryAfter = RetryAfter.asked(by: answer, now: now)
        switch answer.status {
        case 404, 410, 499:
            return Failure(.sessionLost, "the upload session is gone (\(answer.status))\(words)")
        case 401, 403:
            return Failure(
                .sessionRefused, said,
                hint: "if the host is Redivis's own and asks for the token, name it under send_token_to")
        case 407:
            return Failure(.transient, scope: .agent, said, hint: "a proxy asks for a password")
        case 429:
            return Failure(.throttled, said, retryAfter: retryAfter)
        case 503 where retryAfter != nil:
            return Failure(.throttled, said, retryAfter: retryAfter)
        case 413:
            return Failure(
                .tooLarge, said, hint: "if no size gets through, ask who runs the proxy on the way what it lets through"
            )
        case 408, 425, 500...599:
            return Failure(.transient, said, retryAfter: retryAfter)
        case 202...299:
            return Failure(.transient, "\(said), which says neither that it has the bytes nor that it has not")
        case 300...399:
            return Failure(.rejected, "\(said), a redirect, which is never followed with a file's bytes")
        default:
            return Failure(.rejected, said)
        }
    }
}

/// The object's own description, where the host answers with one.
private struct StoredObject: Decodable {
    let size: LenientInteger?
    let md5Hash: String?
}
