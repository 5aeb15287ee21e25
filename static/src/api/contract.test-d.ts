/** Compile-time checks that the page's types agree with the service's schema; there is nothing to run. */
import type * as account from '../account/api'
import type * as files from '../files/api'
import type * as gallery from '../gallery/api'
import type * as boards from '../gallery/boardsApi'
import type * as models from '../models/api'
import type * as presets from '../presets/api'
import type * as queue from '../queue/api'
import type { AnswerOf, Mismatch, RequestOf } from './contract'
import type * as sdapi from './sdapi'

type Agree<Fields extends never> = Fields

export type Answers = [
  Agree<Mismatch<account.Account, AnswerOf<'/api/v1/me', 'get'>>>,
  Agree<Mismatch<{ logins: account.Login[] }, AnswerOf<'/api/v1/logins', 'get'>>>,
  Agree<Mismatch<{ tokens: account.Token[] }, AnswerOf<'/api/v1/tokens', 'get'>>>,
  Agree<Mismatch<account.NewToken, AnswerOf<'/api/v1/tokens'>>>,
  Agree<Mismatch<{ users: account.User[] }, AnswerOf<'/api/v1/users', 'get'>>>,
  Agree<Mismatch<{ invitations: account.Invitation[] }, AnswerOf<'/api/v1/invitations', 'get'>>>,
  Agree<Mismatch<account.NewInvitation, AnswerOf<'/api/v1/invitations'>>>,
  Agree<Mismatch<account.AuditPage, AnswerOf<'/api/v1/audit', 'get'>>>,
  Agree<Mismatch<sdapi.Session, AnswerOf<'/api/session', 'get'>>>,
  Agree<Mismatch<files.FolderPage, AnswerOf<'/api/files', 'get'>>>,
  Agree<Mismatch<{ roots: files.Root[]; rights: files.Right[] }, AnswerOf<'/api/files/roots', 'get'>>>,
  Agree<Mismatch<files.OperationResult, AnswerOf<'/api/files/move'>>>,
  Agree<Mismatch<files.OperationResult, AnswerOf<'/api/files/extract'>>>,
  Agree<Mismatch<{ jobs: files.Job[] }, AnswerOf<'/api/files/jobs', 'get'>>>,
  Agree<Mismatch<{ thrown: files.TrashedEntry[] }, AnswerOf<'/api/files/trash', 'get'>>>,
  Agree<Mismatch<files.Share, AnswerOf<'/api/files/shares'>>>,
  Agree<Mismatch<files.SearchResult, AnswerOf<'/api/files/search', 'get'>>>,
  Agree<Mismatch<files.PreviewInfo, AnswerOf<'/api/files/preview', 'get'>>>,
  Agree<Mismatch<{ boards: boards.BoardFacts[] }, AnswerOf<'/api/v1/boards', 'get'>>>,
  Agree<Mismatch<{ presets: presets.PresetFacts[] }, AnswerOf<'/api/v1/presets', 'get'>>>,
  Agree<Mismatch<gallery.PicturePage, AnswerOf<'/api/v1/pictures', 'get'>>>,
  Agree<Mismatch<files.FolderSize, AnswerOf<'/api/files/size', 'get'>>>,
  Agree<Mismatch<{ uploads: files.UnfinishedUpload[] }, AnswerOf<'/api/files/uploads', 'get'>>>,
  Agree<Mismatch<sdapi.GenerationResponse, AnswerOf<'/sdapi/v1/txt2img'>>>,
  Agree<Mismatch<sdapi.CheckpointKind[], AnswerOf<'/internal/checkpoint-kinds', 'get'>>>,
  Agree<Mismatch<sdapi.TaskProgress, AnswerOf<'/internal/progress'>>>,
  Agree<Mismatch<models.Card[], AnswerOf<'/api/models/cards', 'get'>>>,
  Agree<Mismatch<models.ModelReport, AnswerOf<'/api/models/report', 'get'>>>,
  Agree<Mismatch<queue.QueueState, AnswerOf<'/api/v1/queue', 'get'>>>,
  Agree<Mismatch<models.WrittenModel, AnswerOf<'/api/models/merge'>>>,
  Agree<Mismatch<sdapi.PictureInfo, AnswerOf<'/sdapi/v1/png-info'>>>,
]

export type Requests = [
  Agree<Mismatch<account.TokenSpec, RequestOf<'/api/v1/tokens'>>>,
  Agree<Mismatch<sdapi.Txt2Img, RequestOf<'/sdapi/v1/txt2img'>>>,
  Agree<Mismatch<sdapi.Img2Img, RequestOf<'/sdapi/v1/img2img'>>>,
  Agree<Mismatch<models.Merge, RequestOf<'/api/models/merge'>>>,
  Agree<Mismatch<models.Conversion, RequestOf<'/api/models/convert'>>>,
  Agree<Mismatch<sdapi.Extras, RequestOf<'/sdapi/v1/extra-single-image'>>>,
]

// @ts-expect-error a field that the service does not know is found
export type Unknown = Agree<Mismatch<{ promt: string }, RequestOf<'/sdapi/v1/txt2img'>>>
// @ts-expect-error and so is a field of another type
export type OtherType = Agree<Mismatch<{ steps: string }, RequestOf<'/sdapi/v1/txt2img'>>>
