-- A queue.db that a service of version 1 wrote, before answers had an index, and left at a kill -9:
-- a worker that is gone has one job, two wait.
BEGIN TRANSACTION;
CREATE TABLE answered (
    id TEXT PRIMARY KEY,            -- of an answer that is kept
    owner TEXT NOT NULL,            -- its frame's, as the tags
    tags TEXT NOT NULL
);
CREATE TABLE answers (
    id TEXT PRIMARY KEY,
    "index" INTEGER NOT NULL,       -- of the frame
    status INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    made_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE deaths (
    id TEXT PRIMARY KEY,            -- of a frame that workers died of
    times INTEGER NOT NULL,
    how TEXT NOT NULL               -- how the last of them ended
);
CREATE TABLE errands (
    worker TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    verb TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    asked_at REAL NOT NULL
);
CREATE TABLE frames (
    "index" INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    priority INTEGER NOT NULL,
    tags TEXT NOT NULL,             -- JSON object
    put_at REAL NOT NULL,           -- unix seconds, here and below
    deliveries INTEGER NOT NULL DEFAULT 0,
    worker TEXT,                    -- who holds the lease; NULL: waiting
    token TEXT,
    leased_at REAL,
    expires REAL,
    body BLOB NOT NULL              -- last, so that reading the rest does not page through it
);
INSERT INTO "frames" VALUES(1,'f58a68dce5844a87b87c78913342e191','generate','owner','',0,'{"task": "task(held)", "route": "txt2img", "request": "a0946bf478e14610876340a34db65af6", "models": "a48ce33fe7324d05d68a2db0614c4a1b.1796037401829823721"}',1.79603740241796350479e+09,1,'cpu@gone:4711','acc1724e09fc4ed9b0c7eb467afb4f5e',1.79603740420856547357e+09,1.79603741420856547351e+09,CAST('{"request":{"prompt":"a house, held by a worker","seeds":{"seed":3820900180,"variation_seed":2928999372,"variation_strength":0.0,"resize_from_width":0,"resize_from_height":0,"random":true},"negative_prompt":"","sampling":{"sampler":"Euler","schedule":"Automatic","steps":2,"guidance":7.0,"eta":null,"s_churn":null,"s_tmin":null,"s_tmax":null,"s_noise":null,"s_min_uncond":null},"width":64,"height":64,"batch_size":1,"batches":1,"checkpoint":"","vae":"Automatic","tiling":false,"face_restorer":"","styles":[],"disable_extra_networks":false,"hires":null,"origin":null,"refiner":null,"soft_inpainting":null,"controls":[],"script":null,"notes":{},"panels":{},"options":{"sd_checkpoints_limit":1,"sd_checkpoints_keep_in_cpu":true,"CLIP_stop_at_last_layers":1,"sdxl_clip_l_skip":false,"sdxl_crop_top":0.0,"sdxl_crop_left":0.0,"sdxl_refiner_low_aesthetic_score":2.5,"sdxl_refiner_high_aesthetic_score":6.0,"emphasis":"Original","comma_padding_backtrack":20,"enable_prompt_comments":true,"randn_source":"GPU","eta_noise_seed_delta":0,"eta_ancestral":1.0,"eta_ddim":0.0,"s_churn":0.0,"s_tmin":0.0,"s_tmax":0.0,"s_noise":1.0,"s_min_uncond":0.0,"s_min_uncond_all":false,"skip_early_cond":0.0,"sigma_min":0.0,"sigma_max":0.0,"rho":0.0,"always_discard_next_to_last_sigma":false,"sgm_noise_multiplier":false,"beta_dist_alpha":0.6,"beta_dist_beta":0.6,"uni_pc_variant":"bh1","uni_pc_skip_type":"time_uniform","uni_pc_order":3,"uni_pc_lower_order_final":true,"ddim_discretize":"uniform","sd_noise_schedule":"Default","enable_quantization":false,"batch_cond_uncond":true,"pad_cond_uncond":false,"pad_cond_uncond_v0":false,"use_old_karras_scheduler_sigmas":false,"use_downcasted_alpha_bar":false,"use_old_scheduling":false,"use_old_emphasis_implementation":false,"no_dpmpp_sde_batch_determinism":false,"img2img_fix_steps":false,"initial_noise_multiplier":1.0,"img2img_extra_noise":0.0,"img2img_background_color":"#ffffff","img2img_color_correction":false,"inpainting_mask_weight":1.0,"overlay_inpaint":true,"return_grid":true,"return_mask":false,"return_mask_composite":false,"save_mask":false,"save_mask_composite":false,"save_images_before_highres_fix":false,"save_images_before_color_correction":false,"save_init_img":false,"upscaler_for_img2img":null,"face_restoration_model":"CodeFormer","code_former_weight":0.5,"face_restoration_unload":false,"save_images_before_face_restoration":false,"ESRGAN_tile":192,"ESRGAN_tile_overlap":8,"hires_fix_refiner_pass":"second pass","refiner_switch_by_sample_steps":false,"use_old_hires_fix_width_height":false,"token_merging_ratio":0.0,"token_merging_ratio_img2img":0.0,"token_merging_ratio_hr":0.0,"hires_fix_use_firstpass_conds":false,"sd_hypernetwork":"None","sd_lora":"None","extra_networks_default_multiplier":1.0,"sd_vae_overrides_per_model_preferences":true,"lora_add_hashes_to_infotext":true,"lora_bundled_ti_to_infotext":true,"textual_inversion_add_hashes_to_infotext":true,"enable_pnginfo":true,"samples_format":"png","jpeg_quality":80,"live_previews_enable":true,"show_progress_every_n_steps":10,"control_net_model_cache_size":2,"control_net_inpaint_blur_sigma":7,"control_net_no_detectmap":false,"controlnet_ignore_noninpaint_mask":false,"add_model_hash_to_info":true,"add_model_name_to_info":true,"add_version_to_infotext":true,"add_user_name_to_info":false},"user_name":"","version":"easel-0.1.0","remarks":[]},"route":"txt2img","echo":{"prompt":"a house, held by a worker","negative_prompt":"","styles":null,"seed":-1,"subseed":-1,"subseed_strength":0,"seed_resize_from_h":-1,"seed_resize_from_w":-1,"sampler_name":null,"scheduler":null,"batch_size":1,"n_iter":1,"steps":2,"cfg_scale":7.0,"width":64,"height":64,"restore_faces":null,"tiling":null,"do_not_save_samples":false,"do_not_save_grid":false,"eta":null,"denoising_strength":null,"s_min_uncond":null,"s_churn":null,"s_tmax":null,"s_tmin":null,"s_noise":null,"override_settings":null,"override_settings_restore_afterwards":true,"refiner_checkpoint":null,"refiner_switch_at":null,"disable_extra_networks":false,"firstpass_image":null,"comments":null,"enable_hr":false,"firstphase_width":0,"firstphase_height":0,"hr_scale":2.0,"hr_upscaler":null,"hr_second_pass_steps":0,"hr_resize_x":0,"hr_resize_y":0,"hr_checkpoint_name":null,"hr_sampler_name":null,"hr_scheduler":null,"hr_prompt":"","hr_negative_prompt":"","force_task_id":"task(held)","sampler_index":"Euler","script_name":null,"script_args":[],"send_images":true,"save_images":false,"alwayson_scripts":{},"infotext":null},"send_images":true,"save":null,"origins_dir":null,"extras":null,"answer_format":"png","answer_quality":80,"form":"sdapi"}' AS BLOB));
INSERT INTO "frames" VALUES(2,'c37a5c560ac441f1858c1ede35c0bb7d','generate','owner','',0,'{"task": "task(owners)", "route": "txt2img", "request": "69f6f74c7fa344708b535a99cf7e78f0", "models": "a48ce33fe7324d05d68a2db0614c4a1b.1796037401829823721"}',1.79603740422016286849e+09,0,NULL,NULL,NULL,NULL,CAST('{"request":{"prompt":"a cat by the owner","seeds":{"seed":624833097,"variation_seed":1843267398,"variation_strength":0.0,"resize_from_width":0,"resize_from_height":0,"random":true},"negative_prompt":"","sampling":{"sampler":"Euler","schedule":"Automatic","steps":2,"guidance":7.0,"eta":null,"s_churn":null,"s_tmin":null,"s_tmax":null,"s_noise":null,"s_min_uncond":null},"width":64,"height":64,"batch_size":1,"batches":1,"checkpoint":"","vae":"Automatic","tiling":false,"face_restorer":"","styles":[],"disable_extra_networks":false,"hires":null,"origin":null,"refiner":null,"soft_inpainting":null,"controls":[],"script":null,"notes":{},"panels":{},"options":{"sd_checkpoints_limit":1,"sd_checkpoints_keep_in_cpu":true,"CLIP_stop_at_last_layers":1,"sdxl_clip_l_skip":false,"sdxl_crop_top":0.0,"sdxl_crop_left":0.0,"sdxl_refiner_low_aesthetic_score":2.5,"sdxl_refiner_high_aesthetic_score":6.0,"emphasis":"Original","comma_padding_backtrack":20,"enable_prompt_comments":true,"randn_source":"GPU","eta_noise_seed_delta":0,"eta_ancestral":1.0,"eta_ddim":0.0,"s_churn":0.0,"s_tmin":0.0,"s_tmax":0.0,"s_noise":1.0,"s_min_uncond":0.0,"s_min_uncond_all":false,"skip_early_cond":0.0,"sigma_min":0.0,"sigma_max":0.0,"rho":0.0,"always_discard_next_to_last_sigma":false,"sgm_noise_multiplier":false,"beta_dist_alpha":0.6,"beta_dist_beta":0.6,"uni_pc_variant":"bh1","uni_pc_skip_type":"time_uniform","uni_pc_order":3,"uni_pc_lower_order_final":true,"ddim_discretize":"uniform","sd_noise_schedule":"Default","enable_quantization":false,"batch_cond_uncond":true,"pad_cond_uncond":false,"pad_cond_uncond_v0":false,"use_old_karras_scheduler_sigmas":false,"use_downcasted_alpha_bar":false,"use_old_scheduling":false,"use_old_emphasis_implementation":false,"no_dpmpp_sde_batch_determinism":false,"img2img_fix_steps":false,"initial_noise_multiplier":1.0,"img2img_extra_noise":0.0,"img2img_background_color":"#ffffff","img2img_color_correction":false,"inpainting_mask_weight":1.0,"overlay_inpaint":true,"return_grid":true,"return_mask":false,"return_mask_composite":false,"save_mask":false,"save_mask_composite":false,"save_images_before_highres_fix":false,"save_images_before_color_correction":false,"save_init_img":false,"upscaler_for_img2img":null,"face_restoration_model":"CodeFormer","code_former_weight":0.5,"face_restoration_unload":false,"save_images_before_face_restoration":false,"ESRGAN_tile":192,"ESRGAN_tile_overlap":8,"hires_fix_refiner_pass":"second pass","refiner_switch_by_sample_steps":false,"use_old_hires_fix_width_height":false,"token_merging_ratio":0.0,"token_merging_ratio_img2img":0.0,"token_merging_ratio_hr":0.0,"hires_fix_use_firstpass_conds":false,"sd_hypernetwork":"None","sd_lora":"None","extra_networks_default_multiplier":1.0,"sd_vae_overrides_per_model_preferences":true,"lora_add_hashes_to_infotext":true,"lora_bundled_ti_to_infotext":true,"textual_inversion_add_hashes_to_infotext":true,"enable_pnginfo":true,"samples_format":"png","jpeg_quality":80,"live_previews_enable":true,"show_progress_every_n_steps":10,"control_net_model_cache_size":2,"control_net_inpaint_blur_sigma":7,"control_net_no_detectmap":false,"controlnet_ignore_noninpaint_mask":false,"add_model_hash_to_info":true,"add_model_name_to_info":true,"add_version_to_infotext":true,"add_user_name_to_info":false},"user_name":"","version":"easel-0.1.0","remarks":[]},"route":"txt2img","echo":{"prompt":"a cat by the owner","negative_prompt":"","styles":null,"seed":-1,"subseed":-1,"subseed_strength":0,"seed_resize_from_h":-1,"seed_resize_from_w":-1,"sampler_name":null,"scheduler":null,"batch_size":1,"n_iter":1,"steps":2,"cfg_scale":7.0,"width":64,"height":64,"restore_faces":null,"tiling":null,"do_not_save_samples":false,"do_not_save_grid":false,"eta":null,"denoising_strength":null,"s_min_uncond":null,"s_churn":null,"s_tmax":null,"s_tmin":null,"s_noise":null,"override_settings":null,"override_settings_restore_afterwards":true,"refiner_checkpoint":null,"refiner_switch_at":null,"disable_extra_networks":false,"firstpass_image":null,"comments":null,"enable_hr":false,"firstphase_width":0,"firstphase_height":0,"hr_scale":2.0,"hr_upscaler":null,"hr_second_pass_steps":0,"hr_resize_x":0,"hr_resize_y":0,"hr_checkpoint_name":null,"hr_sampler_name":null,"hr_scheduler":null,"hr_prompt":"","hr_negative_prompt":"","force_task_id":"task(owners)","sampler_index":"Euler","script_name":null,"script_args":[],"send_images":true,"save_images":false,"alwayson_scripts":{},"infotext":null},"send_images":true,"save":null,"origins_dir":null,"extras":null,"answer_format":"png","answer_quality":80,"form":"sdapi"}' AS BLOB));
INSERT INTO "frames" VALUES(3,'0e45e912f0b9487dbc0b0bbac41281ea','generate','ann','',0,'{"task": "task(anns)", "route": "txt2img", "request": "0e8bfcbed1914a549bf1b9c4f34f8b35", "models": "a48ce33fe7324d05d68a2db0614c4a1b.1796037401829823721"}',1.7960374057199578285e+09,0,NULL,NULL,NULL,NULL,CAST('{"request":{"prompt":"a dog by ann","seeds":{"seed":5,"variation_seed":1872665177,"variation_strength":0.0,"resize_from_width":0,"resize_from_height":0,"random":false},"negative_prompt":"blurry","sampling":{"sampler":"Euler","schedule":"Automatic","steps":2,"guidance":7.0,"eta":null,"s_churn":null,"s_tmin":null,"s_tmax":null,"s_noise":null,"s_min_uncond":null},"width":64,"height":64,"batch_size":1,"batches":1,"checkpoint":"","vae":"Automatic","tiling":false,"face_restorer":"","styles":[],"disable_extra_networks":false,"hires":null,"origin":null,"refiner":null,"soft_inpainting":null,"controls":[],"script":null,"notes":{},"panels":{},"options":{"sd_checkpoints_limit":1,"sd_checkpoints_keep_in_cpu":true,"CLIP_stop_at_last_layers":1,"sdxl_clip_l_skip":false,"sdxl_crop_top":0.0,"sdxl_crop_left":0.0,"sdxl_refiner_low_aesthetic_score":2.5,"sdxl_refiner_high_aesthetic_score":6.0,"emphasis":"Original","comma_padding_backtrack":20,"enable_prompt_comments":true,"randn_source":"GPU","eta_noise_seed_delta":0,"eta_ancestral":1.0,"eta_ddim":0.0,"s_churn":0.0,"s_tmin":0.0,"s_tmax":0.0,"s_noise":1.0,"s_min_uncond":0.0,"s_min_uncond_all":false,"skip_early_cond":0.0,"sigma_min":0.0,"sigma_max":0.0,"rho":0.0,"always_discard_next_to_last_sigma":false,"sgm_noise_multiplier":false,"beta_dist_alpha":0.6,"beta_dist_beta":0.6,"uni_pc_variant":"bh1","uni_pc_skip_type":"time_uniform","uni_pc_order":3,"uni_pc_lower_order_final":true,"ddim_discretize":"uniform","sd_noise_schedule":"Default","enable_quantization":false,"batch_cond_uncond":true,"pad_cond_uncond":false,"pad_cond_uncond_v0":false,"use_old_karras_scheduler_sigmas":false,"use_downcasted_alpha_bar":false,"use_old_scheduling":false,"use_old_emphasis_implementation":false,"no_dpmpp_sde_batch_determinism":false,"img2img_fix_steps":false,"initial_noise_multiplier":1.0,"img2img_extra_noise":0.0,"img2img_background_color":"#ffffff","img2img_color_correction":false,"inpainting_mask_weight":1.0,"overlay_inpaint":true,"return_grid":true,"return_mask":false,"return_mask_composite":false,"save_mask":false,"save_mask_composite":false,"save_images_before_highres_fix":false,"save_images_before_color_correction":false,"save_init_img":false,"upscaler_for_img2img":null,"face_restoration_model":"CodeFormer","code_former_weight":0.5,"face_restoration_unload":false,"save_images_before_face_restoration":false,"ESRGAN_tile":192,"ESRGAN_tile_overlap":8,"hires_fix_refiner_pass":"second pass","refiner_switch_by_sample_steps":false,"use_old_hires_fix_width_height":false,"token_merging_ratio":0.0,"token_merging_ratio_img2img":0.0,"token_merging_ratio_hr":0.0,"hires_fix_use_firstpass_conds":false,"sd_hypernetwork":"None","sd_lora":"None","extra_networks_default_multiplier":1.0,"sd_vae_overrides_per_model_preferences":true,"lora_add_hashes_to_infotext":true,"lora_bundled_ti_to_infotext":true,"textual_inversion_add_hashes_to_infotext":true,"enable_pnginfo":true,"samples_format":"png","jpeg_quality":80,"live_previews_enable":true,"show_progress_every_n_steps":10,"control_net_model_cache_size":2,"control_net_inpaint_blur_sigma":7,"control_net_no_detectmap":false,"controlnet_ignore_noninpaint_mask":false,"add_model_hash_to_info":true,"add_model_name_to_info":true,"add_version_to_infotext":true,"add_user_name_to_info":false},"user_name":"ann","version":"easel-0.1.0","remarks":[]},"route":"txt2img","echo":{"prompt":"a dog by ann","negative_prompt":"blurry","styles":null,"seed":5,"subseed":-1,"subseed_strength":0,"seed_resize_from_h":-1,"seed_resize_from_w":-1,"sampler_name":null,"scheduler":null,"batch_size":1,"n_iter":1,"steps":2,"cfg_scale":7.0,"width":64,"height":64,"restore_faces":null,"tiling":null,"do_not_save_samples":false,"do_not_save_grid":false,"eta":null,"denoising_strength":null,"s_min_uncond":null,"s_churn":null,"s_tmax":null,"s_tmin":null,"s_noise":null,"override_settings":null,"override_settings_restore_afterwards":true,"refiner_checkpoint":null,"refiner_switch_at":null,"disable_extra_networks":false,"firstpass_image":null,"comments":null,"enable_hr":false,"firstphase_width":0,"firstphase_height":0,"hr_scale":2.0,"hr_upscaler":null,"hr_second_pass_steps":0,"hr_resize_x":0,"hr_resize_y":0,"hr_checkpoint_name":null,"hr_sampler_name":null,"hr_scheduler":null,"hr_prompt":"","hr_negative_prompt":"","force_task_id":"task(anns)","sampler_index":"Euler","script_name":null,"script_args":[],"send_images":true,"save_images":false,"alwayson_scripts":{},"infotext":null},"send_images":true,"save":null,"origins_dir":null,"extras":null,"answer_format":"png","answer_quality":80,"form":"sdapi"}' AS BLOB));
CREATE TABLE ledger (
    owner TEXT PRIMARY KEY,
    gpu_seconds REAL NOT NULL,      -- as they counted at as_of
    as_of REAL NOT NULL,
    rode_at REAL NOT NULL DEFAULT 0 -- when age last overrode the order for this owner
);
CREATE TABLE sightings (
    job TEXT PRIMARY KEY,
    progress TEXT NOT NULL,         -- JSON object
    started_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    preview_id INTEGER NOT NULL DEFAULT 0,
    preview BLOB
);
CREATE TABLE standings (
    worker TEXT PRIMARY KEY,
    plugins TEXT NOT NULL           -- JSON object
);
CREATE TABLE stops (
    job TEXT PRIMARY KEY,
    stop TEXT NOT NULL,
    asked_at REAL NOT NULL
);
CREATE TABLE tallies (
    name TEXT NOT NULL,
    labels TEXT NOT NULL,           -- JSON object, keys in order
    value REAL NOT NULL,
    PRIMARY KEY (name, labels)
);
CREATE TABLE workers (
    worker TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    state TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    job TEXT NOT NULL,
    memory TEXT NOT NULL,           -- JSON object
    seen_at REAL NOT NULL
);
CREATE INDEX frames_waiting
    ON frames (worker, owner, priority, checkpoint, "index", put_at);
CREATE INDEX answers_made ON answers (made_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('frames',3);
COMMIT;
PRAGMA user_version=1;
