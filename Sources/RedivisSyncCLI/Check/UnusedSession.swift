import RedivisAPI
import SyncCore

/// Only a write shows whether the token may write.
enum UnusedSession {
    /// Of the file that is never sent, in bytes.
    static let size: Int64 = 1
}

extension RedivisRemote {
    /// Opens an upload session by the mapping's endpoint and leaves it. One that nobody uses costs nothing and expires
    /// by itself.
    func openUnusedSession(for mapping: Mapping) async throws(Failure) -> UploadSession {
        let first: Endpoint
        switch mapping.endpoint {
        case .fixed(let endpoint): return try await openUnusedSession(mapping.table, endpoint)
        case .auto: first = .resumableUpload
        }
        do throws(Failure) {
            return try await openUnusedSession(mapping.table, first)
        } catch {
            guard error.kind == .endpointMissing else { throw error }
        }
        return try await openUnusedSession(mapping.table, .tempUploads)
    }

    private func openUnusedSession(_ table: TableReference, _ endpoint: Endpoint) async throws(Failure) -> UploadSession
    {
        try await openSession(
            SessionRequest(
                table: table, endpoint: endpoint, size: UnusedSession.size, name: "redivis-sync-check",
                now: SystemTime.wall()))
    }
}
