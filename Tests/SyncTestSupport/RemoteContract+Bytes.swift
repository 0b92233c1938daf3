import SyncCore

// MARK: Transfers

extension RemoteContract {
    static let chunk = 262_144

    /// Bytes that differ from place to place, so that a skipped or doubled stretch shows.
    static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

    private static func storesNothing(_ reply: TransferReply) -> Bool { reply == .stored(nil) || reply == .stored(0) }

    static let transfers: [RemoteContract] = [
        RemoteContract(name: "chunks add up, and the status tells the truth in between") { subject in
            let bytes = bytes(2 * chunk + 1)
            let session = try await subject.open(bytes.count)
            let before = try await subject.status(session, bytes.count)
            try require(storesNothing(before), "before the first byte: \(before)")
            for index in 0..<2 {
                let reply = try await subject.send(bytes, index * chunk..<(index + 1) * chunk, to: session)
                try require(reply == .stored(Int64((index + 1) * chunk)), "after chunk \(index): \(reply)")
                let status = try await subject.status(session, bytes.count)
                try require(status == reply, "status \(status) after \(reply)")
            }
            let last = try await subject.send(bytes, 2 * chunk..<bytes.count, to: session)
            guard case .finished(let size, let md5) = last else { throw Violation(description: "\(last)") }
            try require(size == nil || size == Int64(bytes.count), "size \(size ?? -1)")
            try require(md5 == nil || md5 == .md5(of: bytes), "another MD5")
        },
        RemoteContract(name: "a finished session stays finished") { subject in
            let bytes = bytes(1000)
            let session = try await subject.transfer(bytes)
            guard case .finished = try await subject.status(session, bytes.count),
                case .finished = try await subject.send(bytes, to: session)
            else { throw Violation(description: "it is not finished any more") }
        },
        RemoteContract(name: "bytes that are sent twice are stored once") { subject in
            let bytes = bytes(chunk + 10)
            let session = try await subject.open(bytes.count)
            for _ in 0..<2 {
                let reply = try await subject.send(bytes, 0..<chunk, to: session)
                try require(reply == .stored(Int64(chunk)), "\(reply)")
            }
            guard case .finished = try await subject.send(bytes, chunk..<bytes.count, to: session) else {
                throw Violation(description: "not finished")
            }
            _ = try await subject.register(session, as: "twice.csv")
            let upload = try await subject.imported("twice.csv")
            try require(upload.md5 == .md5(of: bytes), "another content arrived")
        },
        RemoteContract(name: "a gap is refused, and the status is unchanged") { subject in
            let bytes = bytes(3 * chunk)
            let session = try await subject.open(bytes.count)
            _ = try await subject.send(bytes, 0..<chunk, to: session)
            let failure = try await failure { _ = try await subject.send(bytes, 2 * chunk..<3 * chunk, to: session) }
            try require(failure.kind == .transient, "\(failure.kind)")
            let status = try await subject.status(session, bytes.count)
            try require(status == .stored(Int64(chunk)), "\(status)")
        },
        RemoteContract(name: "a session that does not exist is lost") { subject in
            let session = try await subject.open(10)
            let unknown = UploadSession(
                endpoint: session.endpoint, transport: .resumable, uploadID: "unknown",
                url: Secret(session.url.revealed.replacing(session.uploadID, with: "unknown") + "x"),
                openedAt: session.openedAt, openedAtServer: nil)
            let failure = try await failure { _ = try await subject.status(unknown, 10) }
            try require(failure.kind == .sessionLost, "\(failure)")
        },
        RemoteContract(name: "a failing source comes out as its own failure") { subject in
            let bytes = bytes(chunk)
            let session = try await subject.open(2 * chunk)
            let own = Failure(.sourceGone, "the file is gone")
            let seen = try await failure {
                _ = try await subject.remote.send(
                    SourceSlices(bytes, slice: 1000, then: own), range: 0..<Int64(2 * chunk), total: Int64(2 * chunk),
                    to: session)
            }
            try require(seen == own, "\(seen)")
            // What was kept of it is a prefix.
            let status = try await subject.status(session, 2 * chunk)
            guard case .stored(let kept) = status, kept ?? 0 <= Int64(chunk) else {
                throw Violation(description: "\(status)")
            }
        },
    ]
}

// MARK: Registrations

extension RemoteContract {
    static let registrations: [RemoteContract] = [
        RemoteContract(name: "a transfer, registered, is listed and imported with its size and MD5") { subject in
            let none = try await subject.uploads()
            try require(none.isEmpty, "the new table has \(none)")
            let bytes = bytes(chunk + 1)
            for endpoint in Endpoint.allCases {
                let name = "a b/\(endpoint.rawValue)-ü#1.csv"
                let session = try await subject.transfer(bytes, by: endpoint)
                let registered = try await subject.register(session, as: name)
                try await subject.requireImported(registered, as: name, bytes)
            }
        },
        RemoteContract(name: "a file inside its registration is listed and imported with its size and MD5") { subject in
            // Line ends, dashes and zeros at either end are the file's own.
            let edges = Array("\r\n--".utf8)
            for (index, bytes) in [bytes(1), bytes(chunk + 1), edges, edges + [0] + bytes(1000) + edges].enumerated() {
                let name = "a b/ü\"#\(index).csv"
                let registered = try await subject.register(inline: bytes, as: name)
                try await subject.requireImported(registered, as: name, bytes)
            }
        },
        RemoteContract(name: "files of 0 bytes and of 1 byte arrive") { subject in
            for endpoint in Endpoint.allCases {
                for count in 0...1 {
                    let session = try await subject.transfer(bytes(count), by: endpoint)
                    let name = "\(endpoint.rawValue)\(count).csv"
                    _ = try await subject.register(session, as: name)
                    let upload = try await subject.imported(name)
                    try require(upload.size == Int64(count), "\(name): \(upload)")
                }
            }
        },
        RemoteContract(name: "an unfinished session is not registered, and that is certain") { subject in
            let session = try await subject.open(2 * chunk)
            _ = try await subject.send(bytes(2 * chunk), 0..<chunk, to: session)
            let failure = try await failure { _ = try await subject.register(session, as: "half.csv") }
            try require(failure.kind == .rejected, "\(failure)")
            let uploads = try await subject.uploads()
            try require(uploads.isEmpty, "\(uploads)")
        },
        RemoteContract(name: "all pages together are the list") { subject in
            for index in 0..<7 {
                _ = try await subject.register(try await subject.transfer(bytes(index + 1)), as: "page\(index).csv")
            }
            let names = Set(try await subject.uploads().map(\.name))
            try require(names == Set((0..<7).map { "page\($0).csv" }), "\(names.sorted())")
        },
        RemoteContract(name: "a withdrawn upload is gone, and withdrawing it again is done") { subject in
            let keep = try await subject.register(try await subject.transfer(bytes(5)), as: "keep.csv")
            let gone = try await subject.register(try await subject.transfer(bytes(6)), as: "gone.csv")
            for _ in 0..<2 { try await subject.remote.withdraw(uri: gone.uri) }
            let uris = try await subject.uploads().map(\.uri)
            try require(uris == [keep.uri], "\(uris)")
        },
        RemoteContract(name: "a released upload is found in its version, not in the draft") { subject in
            _ = try await subject.register(try await subject.transfer(bytes(5)), as: "first.csv")
            _ = try await subject.imported("first.csv")
            try await subject.release()
            guard let tag = try await subject.remote.table(subject.table).released.last else {
                throw Violation(description: "nothing is released")
            }
            let session = try await subject.open(1, afterRelease: true)
            try require(session == nil, "a session was opened though no version is open")
            let released = try await subject.uploads(in: .released(tag)).map(\.name)
            try require(released == ["first.csv"], "released: \(released)")
            try await subject.remote.openVersion(of: subject.table)
            let draft = try await subject.uploads().map(\.name)
            try require(draft.isEmpty, "the new draft lists \(draft)")
        },
        RemoteContract(name: "without an open version a registration is forbidden") { subject in
            let session = try await subject.transfer(bytes(5))
            try await subject.release()
            let failure = try await failure { _ = try await subject.register(session, as: "late.csv") }
            let inline = try await RemoteContract.failure {
                _ = try await subject.register(inline: bytes(5), as: "inline.csv")
            }
            try require(inline.kind == .forbidden, "\(inline)")
            try require(failure.kind == .forbidden && failure.scope == .destination, "\(failure.kind): \(failure)")
        },
    ]
}

extension RemoteContract.Subject {
    /// `nil` where that is refused as the destination's matter.
    fileprivate func open(_ size: Int, afterRelease: Bool) async throws -> UploadSession? {
        do {
            return try await open(size)
        } catch let failure as Failure where failure.kind == .forbidden {
            return nil
        }
    }
}
