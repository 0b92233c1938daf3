import SyncCore
import Synchronization

/// What a test does around each call of a port. Throwing before a call keeps it from being made; throwing after it
/// loses its answer.
public struct CallHook<Operation: Sendable>: Sendable {
    public typealias Body = @Sendable (_ operation: Operation, _ number: Int) async throws(Failure) -> Void
    let body: Body

    /// - Parameter body: gets the number of the call among all calls of the port, from 0.
    public init(_ body: @escaping Body) { self.body = body }

    public static var none: CallHook { CallHook { _, _ throws(Failure) in } }
}

/// A remote with a test's hand on every call; also counts how many sends overlap.
public final class RemoteWithHooks: UploadRemote {
    private struct State {
        var calls = 0
        var sending = 0
        var mostSending = 0
    }

    private let base: any UploadRemote
    private let activity: Activity
    private let before: CallHook<RemoteOperation>
    private let after: CallHook<RemoteOperation>
    private let state = Mutex(State())

    public init(
        _ base: any UploadRemote, _ activity: Activity, before: CallHook<RemoteOperation> = .none,
        after: CallHook<RemoteOperation> = .none
    ) {
        self.base = base
        self.activity = activity
        self.before = before
        self.after = after
    }

    /// The most sends that were under way at one time.
    public var mostSending: Int { state.withLock(\.mostSending) }

    private func around<Value: Sendable>(
        _ operation: RemoteOperation, _ body: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        activity.note()
        let number = state.withLock { state in
            defer { state.calls += 1 }
            return state.calls
        }
        try await before.body(operation, number)
        let value = try await body()
        try await after.body(operation, number)
        activity.note()
        return value
    }

    public func table(_ reference: TableReference) async throws(Failure) -> RemoteTable {
        try await around(.table) { () throws(Failure) in try await base.table(reference) }
    }

    public func openVersion(of reference: TableReference) async throws(Failure) {
        try await around(.openVersion) { () throws(Failure) in try await base.openVersion(of: reference) }
    }

    public func uploads(
        of reference: TableReference, in version: TableVersion, page: String?
    ) async throws(Failure) -> UploadPage {
        try await around(.uploads) { () throws(Failure) in
            try await base.uploads(of: reference, in: version, page: page)
        }
    }

    public func upload(uri: String) async throws(Failure) -> RemoteUpload? {
        try await around(.upload) { () throws(Failure) in try await base.upload(uri: uri) }
    }

    public func upload(
        named name: String, of reference: TableReference, in version: TableVersion
    ) async throws(Failure) -> RemoteUpload? {
        try await around(.upload) { () throws(Failure) in
            try await base.upload(named: name, of: reference, in: version)
        }
    }

    public func openSession(_ request: SessionRequest) async throws(Failure) -> UploadSession {
        try await around(.openSession) { () throws(Failure) in try await base.openSession(request) }
    }

    public func send(
        _ body: SourceSlices, range: Range<Int64>, total: Int64, to session: UploadSession
    ) async throws(Failure) -> TransferAnswer {
        state.withLock { state in
            state.sending += 1
            state.mostSending = max(state.mostSending, state.sending)
        }
        defer { state.withLock { $0.sending -= 1 } }
        return try await around(.send) { () throws(Failure) in
            try await base.send(body, range: range, total: total, to: session)
        }
    }

    public func status(of session: UploadSession, total: Int64) async throws(Failure) -> TransferAnswer {
        try await around(.status) { () throws(Failure) in try await base.status(of: session, total: total) }
    }

    public func register(_ request: RegistrationRequest) async throws(Failure) -> RemoteUpload {
        try await around(.register) { () throws(Failure) in try await base.register(request) }
    }

    public func withdraw(uri: String) async throws(Failure) {
        try await around(.withdraw) { () throws(Failure) in try await base.withdraw(uri: uri) }
    }
}
