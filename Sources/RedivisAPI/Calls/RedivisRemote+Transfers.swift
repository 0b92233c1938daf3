import NIOHTTP1
import Logging
import SyncCore

extension RedivisRemote {
    public func send(
        _ body: SourceSlices, range: Range<Int64>, total: Int64, to session: UploadSession
    ) async throws(Failure) -> TransferAnswer {
        let address = try sessionAddress(session.url)
        var request = WebRequest(method: .PUT, address: address, fields: try fields(for: address))
        switch session.transport {
        case .resumable:
            guard !range.isEmpty else { return try await status(of: session, total: total) }
            request.fields.append(("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(total)"))
            request.body = .slices(body, length: range.upperBound - range.lowerBound)
            return try storageAnswers(.resumable, address).read(await toStorage(request))
        case .whole:
            guard range.lowerBound == 0, range.upperBound == total else {
                throw Failure(.sessionLost, "this upload takes the whole file in one request only")
            }
            request.body = total == 0 ? .empty : .slices(body, length: total)
            request.needsWholeBody = true
            return try storageAnswers(.whole(size: total), address).read(await toStorage(request))
        }
    }

    public func status(of session: UploadSession, total: Int64) async throws(Failure) -> TransferAnswer {
        guard session.transport == .resumable else {
            // There is nothing to ask: a repeated PUT overwrites (api.md 5.3).
            return TransferAnswer(reply: .stored(nil), serverTime: nil)
        }
        let address = try sessionAddress(session.url)
        var request = WebRequest(method: .PUT, address: address, fields: try fields(for: address))
        request.fields.append(("Content-Range", "bytes */\(total)"))
        return try storageAnswers(.resumable, address).read(await toStorage(request))
    }

    func storageAnswers(_ question: StorageAnswers.Question, _ address: WebAddress) -> StorageAnswers {
        StorageAnswers(
            question: question, now: wallClock(), secrets: Secrets.spellings(token: token(), session: address))
    }

    /// Whatever ends a request to the storage host without an answer is `transient`: the caller asks for the offset.
    func toStorage(_ request: WebRequest) async throws(Failure) -> WebAnswer {
        do throws(SendTrouble) {
            let answer = try await storage.perform(request)
            logger.trace("the storage host answered", metadata: ["status": "\(answer.status)"])
            return answer
        } catch {
            switch error {
            case .failure(let failure): throw failure
            case .transport(let trouble):
                throw Failure(
                    .transient, scope: trouble.reach == .nothingSent ? .agent : .delivery, "sending: \(trouble.words)",
                    hint: trouble.hint)
            }
        }
    }
}
