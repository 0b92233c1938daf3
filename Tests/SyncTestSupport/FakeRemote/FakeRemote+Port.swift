import Synchronization
import SyncCore

extension FakeRemote {
    public func table(_ reference: TableReference) async throws(Failure) -> RemoteTable {
        try await perform(.table, on: reference.text) { state throws(Failure) in
            let table = try state.visibleTable(reference)
            return RemoteTable(
                key: table.key, hasDraft: table.draft != nil, released: table.released.map(\.tag),
                mergeStrategy: table.mergeStrategy)
        }
    }

    public func openVersion(of reference: TableReference) async throws(Failure) {
        try await perform(.openVersion, on: reference.text) { state throws(Failure) in
            let table = try state.visibleTable(reference)
            if table.draft == nil { state.tables[table.key]?.draft = [] }
        }
    }

    public func uploads(
        of reference: TableReference, in version: TableVersion, page: String?
    ) async throws(Failure) -> UploadPage {
        try await perform(.uploads, on: reference.text) { state throws(Failure) in
            try state.list(reference, in: version, page: page)
        }
    }

    public func upload(uri: String) async throws(Failure) -> RemoteUpload? {
        try await perform(.upload, on: uri) { state throws(Failure) in
            for key in state.tables.keys {
                // A released upload has another uri: what becomes of the old one is not documented.
                guard let index = state.tables[key]?.draft?.firstIndex(where: { $0.uri == uri }) else { continue }
                return state.tables[key]?.draft?[index].listed()
            }
            return nil
        }
    }

    public func upload(
        named name: String, of reference: TableReference, in version: TableVersion
    ) async throws(Failure) -> RemoteUpload? {
        try await perform(.upload, on: name) { state throws(Failure) in
            try state.upload(named: name, of: reference, in: version)
        }
    }

    public func openSession(_ request: SessionRequest) async throws(Failure) -> UploadSession {
        try await perform(.openSession, on: request.table.text) { state throws(Failure) in
            try state.openSession(request)
        }
    }

    public func send(
        _ body: SourceSlices, range: Range<Int64>, total: Int64, to session: UploadSession
    ) async throws(Failure) -> TransferAnswer {
        let fault = try await begin(.send, on: session.uploadID, range: range)
        // The source is read as the real adapter reads it: before the server can say anything about all of it.
        var chunk: [UInt8] = []
        var sourceFailure: Failure?
        do {
            for try await slice in body { chunk += slice }
        } catch let failure as Failure {
            sourceFailure = failure
        } catch {
            sourceFailure = Failure(.transient, "sending was interrupted")
        }
        let (reply, failure): (TransferReply?, Failure?) = state.withLock { state in
            state.receive(
                chunk, range: range, total: total, session: session, fault: fault, isCut: sourceFailure != nil)
        }
        if let failure = sourceFailure ?? failure { throw failure }
        guard let reply else { throw Failure(.transient, "the connection ended without an answer") }
        return TransferAnswer(reply: reply, serverTime: state.withLock(\.switches.serverTime))
    }

    public func status(of session: UploadSession, total: Int64) async throws(Failure) -> TransferAnswer {
        let fault = try await begin(.status, on: session.uploadID)
        let reply: Result<TransferReply, Failure> = state.withLock { state in
            if case .answers(let reply) = fault { return .success(reply) }
            return Result { () throws(Failure) in try state.status(of: session, total: total) }
        }
        let answered = try reply.get()
        if case .losesAnswer(let failure) = fault { throw failure }
        return TransferAnswer(reply: answered, serverTime: state.withLock(\.switches.serverTime))
    }

    public func register(_ request: RegistrationRequest) async throws(Failure) -> RemoteUpload {
        let fault = try await begin(.register, on: request.table.text)
        if case .carriedOutLate(let failure) = fault {
            state.withLock { $0.late.append(request) }
            throw failure
        }
        let result: Result<RemoteUpload, Failure> = state.withLock { state in
            Result { () throws(Failure) in try state.register(request) }
        }
        if case .losesAnswer(let failure) = fault { throw failure }
        return try result.get()
    }

    public func withdraw(uri: String) async throws(Failure) {
        try await perform(.withdraw, on: uri) { state throws(Failure) in
            for key in state.tables.keys {
                if state.tables[key]?.released.contains(where: { $0.uploads.contains { $0.uri == uri } }) == true {
                    throw Failure(.rejected, "the version is released")
                }
                state.tables[key]?.draft?.removeAll { $0.uri == uri }
            }
        }
    }

    // MARK: Around each call

    /// Notes the call, and does what the script says where that comes before the call itself.
    private func begin(
        _ operation: RemoteOperation, on subject: String, range: Range<Int64>? = nil
    ) async throws(Failure) -> FakeFault {
        let (fault, isOffline) = state.withLock { state in
            state.calls.append(RemoteCall(operation: operation, subject: subject, range: range))
            let isScripted = !(state.scripts[operation] ?? []).isEmpty
            let fault = isScripted ? state.scripts[operation]?.removeFirst() : nil
            return (fault ?? .none, state.switches.isOffline)
        }
        if isOffline { throw Failure(.transient, scope: .agent, "Redivis cannot be reached") }
        switch fault {
        case .fails(let failure):
            throw failure
        case .hangs(let failure):
            // Ends with the task's cancellation, as a call to a silent server does.
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
            throw failure
        case .none, .losesAnswer, .carriedOutLate, .keeps, .keepsAndLosesAnswer, .answers:
            return fault
        }
    }

    private func perform<Answer: Sendable>(
        _ operation: RemoteOperation, on subject: String,
        _ body: @Sendable (inout State) throws(Failure) -> Answer
    ) async throws(Failure) -> Answer {
        let fault = try await begin(operation, on: subject)
        let result: Result<Answer, Failure> = state.withLock { state in
            Result { () throws(Failure) in try body(&state) }
        }
        if case .losesAnswer(let failure) = fault { throw failure }
        return try result.get()
    }
}
