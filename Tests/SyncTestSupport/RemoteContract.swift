import SyncCore

/// What every `UploadRemote` keeps to, whatever stands behind it. The checks are run against the fake and against the
/// HTTP adapter with a sandbox, so that scenarios on the fake say something about the program.
public struct RemoteContract: Sendable {
    public struct Violation: Error, CustomStringConvertible {
        public let description: String
    }

    /// One remote with a table of its own, in whose dataset a version is open.
    public struct Subject: Sendable {
        public let remote: any UploadRemote
        public let table: TableReference
        /// Not there, though its dataset is.
        public let missingTable: TableReference
        /// Releases the open version, as a person would.
        public let release: @Sendable () async throws -> Void

        public init(
            remote: any UploadRemote, table: TableReference, missingTable: TableReference,
            release: @escaping @Sendable () async throws -> Void
        ) {
            self.remote = remote
            self.table = table
            self.missingTable = missingTable
            self.release = release
        }
    }

    public let name: String
    public let check: @Sendable (Subject) async throws -> Void

    public static let all: [RemoteContract] = tables + transfers + registrations

    static func require(_ holds: Bool, _ what: @autoclosure () -> String) throws {
        guard holds else { throw Violation(description: what()) }
    }

    /// What `body` throws.
    public static func failure(_ body: () async throws -> Void) async throws -> Failure {
        do {
            try await body()
        } catch let failure as Failure {
            return failure
        }
        throw Violation(description: "it succeeded")
    }
}

// MARK: Tables and versions

extension RemoteContract {
    static let tables: [RemoteContract] = [
        RemoteContract(name: "a table has one key, before and after a release") { subject in
            let before = try await subject.remote.table(subject.table)
            try require(before.hasDraft, "no version is open")
            try await subject.release()
            let after = try await subject.remote.table(subject.table)
            try require(before.key == after.key, "\(before.key) became \(after.key)")
            try require(!after.hasDraft, "the draft is still open")
            try require(after.released.count == before.released.count + 1, "released: \(after.released)")
            try require(after.released == after.released.sorted(), "not ascending: \(after.released)")
        },
        RemoteContract(name: "a missing table is forbidden, and the destination's matter") { subject in
            let failure = try await failure { _ = try await subject.remote.table(subject.missingTable) }
            try require(failure.kind == .forbidden && failure.scope == .destination, "\(failure.kind) \(failure.scope)")
        },
        RemoteContract(name: "a version is opened where none is, and once") { subject in
            try await subject.remote.openVersion(of: subject.table)
            try await subject.release()
            try await subject.remote.openVersion(of: subject.table)
            try await subject.remote.openVersion(of: subject.table)
            let table = try await subject.remote.table(subject.table)
            try require(table.hasDraft && table.released.count == 1, "\(table)")
        },
        RemoteContract(name: "two agents open the next version at once") { subject in
            try await subject.release()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { try await subject.remote.openVersion(of: subject.table) } }
                try await group.waitForAll()
            }
            let isOpen = try await subject.remote.table(subject.table).hasDraft
            try require(isOpen, "no version is open")
        },
        RemoteContract(name: "a version that does not have the table lists nothing") { subject in
            let page = try await subject.remote.uploads(
                of: subject.table, in: .released(VersionTag(major: 7, minor: 7)), page: nil)
            try require(page.uploads.isEmpty && page.nextPage == nil, "\(page)")
        },
    ]
}

// MARK: Helpers of the checks

extension RemoteContract.Subject {
    public func open(
        _ size: Int, by endpoint: Endpoint = .resumableUpload, named name: String = "name.csv"
    ) async throws -> UploadSession {
        try await remote.openSession(
            SessionRequest(
                table: table, endpoint: endpoint, size: Int64(size), name: name,
                now: Timestamp(milliseconds: 1_700_000_000_000)))
    }

    public func send(
        _ bytes: [UInt8], _ range: Range<Int>? = nil, to session: UploadSession
    ) async throws -> TransferReply {
        let range = range ?? 0..<bytes.count
        return try await remote.send(
            SourceSlices(Array(bytes[range]), slice: 100_000), range: Int64(range.lowerBound)..<Int64(range.upperBound),
            total: Int64(bytes.count), to: session
        ).reply
    }

    public func status(_ session: UploadSession, _ total: Int) async throws -> TransferReply {
        try await remote.status(of: session, total: Int64(total)).reply
    }

    /// A session with all bytes in it.
    public func transfer(_ bytes: [UInt8], by endpoint: Endpoint = .resumableUpload) async throws -> UploadSession {
        let session = try await open(bytes.count, by: endpoint)
        let reply =
            bytes.isEmpty && session.transport == .resumable
            ? try await status(session, 0) : try await send(bytes, to: session)
        guard case .finished(let size, _) = reply, size ?? Int64(bytes.count) == Int64(bytes.count) else {
            throw RemoteContract.Violation(description: "all bytes were sent, and the answer is \(reply)")
        }
        return session
    }

    public func register(_ session: UploadSession, as name: String) async throws -> RemoteUpload {
        try await remote.register(
            RegistrationRequest(table: table, name: name, content: .session(session), format: UploadFormat()))
    }

    public func register(inline bytes: [UInt8], as name: String) async throws -> RemoteUpload {
        try await remote.register(
            RegistrationRequest(table: table, name: name, content: .inline(bytes), format: UploadFormat()))
    }

    public func uploads(in version: TableVersion = .draft) async throws -> [RemoteUpload] {
        var uploads: [RemoteUpload] = []
        var page: String?
        repeat {
            let answer = try await remote.uploads(of: table, in: version, page: page)
            uploads += answer.uploads
            page = answer.nextPage
        } while page != nil
        return uploads
    }

    /// What was registered is imported under that name, with the size and the MD5 of these bytes.
    func requireImported(_ registered: RemoteUpload, as name: String, _ bytes: [UInt8]) async throws {
        try RemoteContract.require(registered.name == name, "registered as \(registered.name)")
        let upload = try await imported(name)
        try RemoteContract.require(upload.uri == registered.uri, "\(upload.uri) is not \(registered.uri)")
        try RemoteContract.require(upload.status == .completed, "\(upload.status)")
        try RemoteContract.require(upload.size == Int64(bytes.count), "size \(upload.size ?? -1)")
        try RemoteContract.require(upload.md5 == .md5(of: bytes), "another MD5")
    }

    /// The upload of that name once its import is over; asks for at most 10 s.
    public func imported(_ name: String) async throws -> RemoteUpload {
        for _ in 0..<500 {
            if let upload = try await uploads().first(where: { $0.name == name }), upload.status != .inProgress {
                return upload
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw RemoteContract.Violation(description: "the import of \(name) does not end")
    }
}
