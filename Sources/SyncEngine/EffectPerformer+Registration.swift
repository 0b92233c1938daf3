import SyncCore

// Registering what was sent, and taking it off again.

extension EffectPerformer {
    func post(
        _ delivery: Delivery, _ source: RegistrationSource, _ name: String
    ) async throws(Failure) -> RemoteUpload {
        try await writing(to: delivery.table) { () async throws(Failure) in
            let content: RegistrationRequest.Content =
                switch source {
                case .session(let object): .session(object.session)
                case .inline: .inline(try await wholeFile(delivery))
                }
            return try await ports.remote(for: delivery.table).register(
                RegistrationRequest(
                    table: delivery.table, name: name, content: content, format: mapping?.format ?? UploadFormat()))
        }
    }

    /// The bytes of a small file: those that its name was made of, or it is a change.
    private func wholeFile(_ delivery: Delivery) async throws(Failure) -> [UInt8] {
        let source = try await opened(delivery)
        _ = try await source.rewind(to: 0)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(clamping: delivery.size))
        do {
            for try await slice in await source.read(to: delivery.size) { bytes += slice }
        } catch {
            throw error as? Failure ?? Failure(.transient, "reading \(delivery.path) was interrupted")
        }
        try await expectEnd(of: source, delivery)
        try await expectUnchanged(source, delivery)
        guard await source.content() == delivery.content else {
            finding = .otherContent
            throw Failure(.sourceChanged, "\(delivery.path) is not what it was when it got its name")
        }
        return bytes
    }

    /// Where uploads are addressed by their names, another agent's good one may share the address of ours: what the
    /// address shows goes only while it is not what was sent, and the good one stays.
    func withdraw(
        _ registration: Registration, of delivery: Delivery
    ) async throws(Failure) -> DeliveryEvent {
        let remote = ports.remote(for: delivery.table)
        for _ in 0..<Self.mostAtOneAddress {
            if let shown = try await remote.upload(uri: registration.uri), delivery.isAnother(shown, than: registration)
            {
                return .keptInstead(shown, newestReleased: registration.newestReleased)
            }
            try await takeOff(registration, of: delivery)
            guard try await remote.upload(uri: registration.uri) != nil else { break }
        }
        return .registrationWithdrawn
    }

    private static let mostAtOneAddress = 3

    private func takeOff(_ registration: Registration, of delivery: Delivery) async throws(Failure) {
        do throws(Failure) {
            try await directory.withdraw(uri: registration.uri, of: delivery)
        } catch {
            // Who may not take this one off may post others: what forbids the table is met by those.
            guard error.kind == .forbidden else { throw error }
            throw Failure(.forbidden, error.summary, hint: error.hint, retryAfter: error.retryAfter)
        }
    }

    /// A write to the unreleased version. A refusal may only mean that it was released a moment ago: then the write is
    /// tried again in the next one.
    func writing<Answer>(
        to table: TableReference, _ write: () async throws(Failure) -> Answer
    ) async throws(Failure) -> Answer {
        try await directory.ensureDraft(of: table, mayOpen: mapping?.createsVersion ?? false)
        let assumed = await directory.table(table)
        do throws(Failure) {
            return try await write()
        } catch {
            switch error.kind {
            case .forbidden, .rejected:
                guard await directory.hasMoved(table, since: assumed) else { throw error }
                throw Failure(
                    .transient, scope: .destination, "the version was released meanwhile; going on in the next one")
            case .transient, .throttled, .sessionLost, .sessionRefused, .unauthorized, .tooLarge, .conflict, .ambiguous,
                .endpointMissing, .unreadable, .sourceGone, .sourceChanged, .stateUnavailable:
                throw error
            }
        }
    }
}
